-- Let due jobs of queues that have few of them past a long row of others' in rq-scheduler's
-- set: a burst in one queue must not delay another. The row is looked through from its newest
-- entry to its oldest; what others move meanwhile, from its head, is not skipped so.
-- ARGV: the rank below which to look ('' from the newest), how many entries to look at, Unix
--       seconds up to which all has been looked at before, the most to move, how many seconds
--       ahead to look.
-- Returns {how many were moved, the rank to go on below ('' where there is no more to look
-- at), up to when this looked (Unix seconds), ids that are to move first when they are due}.

-- A queue that has a tenth of the next jobs is served in turn.
local NEXT, SHARE = 100, 10

local window, most = tonumber(ARGV[2]), tonumber(ARGV[4])
local ends = string.format('%.6f', now + tonumber(ARGV[5]))
local due = call('ZCOUNT', DELAYED, '-inf', ends)
local new = call('ZCOUNT', DELAYED, '(' .. ARGV[3], ends)
local head = held_at_head()
local first = math.max(head, due - new)
local top = math.min(tonumber(ARGV[1]) or due, due)
local bottom = math.max(first, top - window)
if top <= bottom then return {0, '', ends, {}} end

local function queue_of(id)
  local queue = redis.pcall('HGET', job_key(id), 'origin')
  return type(queue) == 'string' and queue or ''
end

local in_turn = {}
for _, id in ipairs(call('ZRANGE', DELAYED, head, head + NEXT - 1)) do
  local queue = queue_of(id)
  in_turn[queue] = (in_turn[queue] or 0) + 1
end

local chosen, rank = {}, top
local entries = call('ZRANGE', DELAYED, bottom, top - 1)
for i = #entries, 1, -1 do
  rank = rank - 1
  if (in_turn[queue_of(entries[i])] or 0) < SHARE then chosen[#chosen + 1] = entries[i] end
  if #chosen == most then break end
end

local taken, later = 0, {}
if #chosen > 0 then go_on_when_full() end
for i = #chosen, 1, -1 do
  if tonumber(call('ZSCORE', DELAYED, chosen[i])) > now then
    later[#later + 1] = chosen[i]
  elseif take(DELAYED, chosen[i]) == 'taken' then
    taken = taken + 1
  end
end
flush(DELAYED)
return {taken, rank > first and rank or '', ends, later}
