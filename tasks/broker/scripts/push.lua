-- Write jobs and put each where it waits: into its queue, aside until it is due, or
-- behind its parents. Safe to send again: an id that Redis knows is left alone.
-- Also writes: rq:queues (set of queue keys).
--
-- ARGV: queue, at_front (1 or 0), allow_failure (1 or 0), events so far, number of
--       parents, then for each: its id and its state by the ledger ('' unknown),
--       number of the following, then fields and values that the hashes share,
--       then for each job OWN values: id, due (Unix seconds or ''), row (JSON of the
--       ledger row, or '' where the ledger has it), created_at, data, description.
-- Returns for each job {1 if it was written else 0, state}.

local OWN = 6

local queue, at_front, allow_failure = ARGV[1], ARGV[2] == '1', ARGV[3] == '1'
local seq = texts[tonumber(ARGV[4]) + 1]
local list, add = 'rq:queue:' .. queue, at_front and 'LPUSH' or 'RPUSH'

local parents, open, at = {}, {}, 6
for n = 1, tonumber(ARGV[5]) do
  local parent, known = ARGV[at], ARGV[at + 1]
  local status = redis.call('HGET', job_key(parent), 'status') or known
  parents[n] = parent
  if not ended_well(status, allow_failure) then open[#open + 1] = parent end
  at = at + 2
end

-- One table serves for all hashes: what they share, what each has of its own, and what
-- is so where nothing holds a job back.
local fields = {}
for n = 1, tonumber(ARGV[at]) do fields[n] = ARGV[at + n] end
local shared = #fields
at = at + shared + 1
local function fill(...)
  for n, value in ipairs({...}) do fields[shared + n] = value end
end

-- In the list first: a hash that is in no list would be lost.
local function queue_up(id, key)
  redis.call(add, list, id)
  redis.call('HSET', key, unpack(fields))
  return 'queued', ''
end

local function wait_for_parents(id, key)
  redis.call('HSET', key, 'status', 'deferred', 'ty:open', #open)
  for _, parent in ipairs(open) do
    redis.call('SADD', 'rq:job:' .. parent .. ':dependents', id)
  end
  redis.call('ZADD', 'rq:deferred:' .. queue, now_text, id)
  return 'deferred'
end

local function set_aside(id, key, due)
  redis.call('HSET', key, unpack(fields, 1, #fields - 4))
  if due ~= '' then redis.call('HSET', key, 'ty:due', due) end
  if #parents > 0 then
    redis.call('SADD', 'rq:job::' .. id .. ':dependencies', unpack(parents))
    redis.call('HSET', key, 'ty:open', 0)
  end
  if #open > 0 then return wait_for_parents(id, key), due end
  return place(id, queue, at_front)
end

local function tell(id, state, due, row)
  local facts = {'queue', queue}
  if due ~= '' then facts[3], facts[4] = 'due', due end
  if row ~= '' then facts[#facts + 1], facts[#facts + 2] = 'row', row end
  emit(id, 'pushed', state, facts, seq)
end

local function write(id, due, row, created_at, data, description)
  local key = job_key(id)
  if redis.call('EXISTS', key) == 1 then
    local known = redis.pcall('HMGET', key, 'status', 'data')
    if known.err or known[1] or known[2] then return {0, known[1] or ''} end
    redis.call('DEL', key)  -- what somebody wrote to a job that was gone
  end
  fill('created_at', created_at, 'data', data, 'description', description,
    'ty:seq', seq, 'status', 'queued', 'enqueued_at', now_iso)
  local state
  if due == '' and #parents == 0 then
    state, due = queue_up(id, key)
  else
    state, due = set_aside(id, key, due)
  end
  tell(id, state, due, row)
  return {1, state}
end

redis.call('SADD', 'rq:queues', list)
local answers = {}
for n = at, #ARGV, OWN do
  answers[#answers + 1] = write(unpack(ARGV, n, n + OWN - 1))
end
return answers
