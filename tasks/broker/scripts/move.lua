-- Move jobs that are due into their queues, in the order in which they came due: those of
-- rq-scheduler's set, and of RQ's of each queue in rq:queues, a like share of each.
-- ARGV: the most to move at once, how many seconds ahead to count, 1 to move what follows
--       before it is due else 0, 1 to look into RQ's sets too else 0, number of metas that were
--       judged, for each its SHA-1 and 1 if it is a periodic entry's else 0, then ids in
--       rq-scheduler's set that are moved first.
-- Returns {how many were taken, seconds until the next is due ('' for none), how many are
-- left in rq-scheduler's set that are due, how many will be within the seconds to count,
-- those of the ids that are not due yet, metas to judge before this is called again, seconds
-- until the next of RQ's sets is due ('' for none)}.

local is_early, first_id = ARGV[3] == '1', 6 + 2 * tonumber(ARGV[5])
for i = 6, first_id - 1, 2 do judged[ARGV[i]] = ARGV[i + 1] end

local sets = {DELAYED}
for _, queue in ipairs(ARGV[4] == '1' and redis.pcall('SMEMBERS', 'rq:queues') or {}) do
  sets[#sets + 1] = 'rq:scheduled:' .. string.sub(queue, #'rq:queue:' + 1)
end

local taken, own_wait, stock_wait = 0, math.huge, math.huge

-- Where the first entry of a set stands that may be moved; nil where none is due.
local function first_due(set)
  local rank = set == DELAYED and held_at_head() or 0
  local _, score = entry_at(set, rank)
  local wait = score and math.max(0, score - now) or math.huge
  if set == DELAYED then
    own_wait = wait
  else
    stock_wait = math.min(stock_wait, wait)
  end
  return wait == 0 and rank or nil
end

local function as_text(wait) return wait < math.huge and string.format('%.6f', wait) or '' end

local function move(set, rank, most)
  local entries = call('ZRANGE', set, '-inf', now_text, 'BYSCORE', 'LIMIT', rank, most,
    'WITHSCORES')
  for i = 1, #entries, 2 do
    local id, score = entries[i], entries[i + 1]
    local fate = take(set, id)
    if fate == 'taken' then taken = taken + 1 end
    if fate == 'periodic' then hold(rank, id, score) end
    if fate ~= 'taken' then rank = rank + 1 end
  end
  flush(set)
end

local later = {}

local function move_first(id)
  local score = tonumber(call('ZSCORE', DELAYED, id) or '')
  if score and score > now and not is_early then
    later[#later + 1] = id
  elseif score and take(DELAYED, id) == 'taken' then
    taken = taken + 1
  end
end

if #ARGV >= first_id then
  go_on_when_full()
  for i = first_id, #ARGV do move_first(ARGV[i]) end
  flush(DELAYED)
end

local busy, left = {}, 0
for _, set in ipairs(sets) do
  local rank = first_due(set)
  if rank then busy[#busy + 1] = {set, rank} end
end

if #busy > 0 then
  go_on_when_full()
  local share = math.max(1, math.floor(tonumber(ARGV[1]) / #busy))
  stock_wait = math.huge
  for _, found in ipairs(busy) do move(found[1], found[2], share) end
  for _, set in ipairs(sets) do
    local rank = first_due(set)
    if rank and set == DELAYED then left = call('ZCOUNT', set, '-inf', now_text) - rank end
  end
end

local ahead = string.format('%.6f', now + tonumber(ARGV[2]))
local soon = call('ZCOUNT', DELAYED, '(' .. now_text, ahead)
local wait = math.min(own_wait, stock_wait)
return {taken, as_text(wait), left, soon, later, asked, as_text(stock_wait)}
