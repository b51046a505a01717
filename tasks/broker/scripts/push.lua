-- Write a job and put it where it waits: into its queue, aside until it is due, or
-- behind its parents. Safe to send again: an id that Redis knows is left alone.
-- Also writes: rq:queues (set of queue keys).
--
-- ARGV: id, queue, due (Unix seconds or ''), at_front (1 or 0), allow_failure (1 or 0),
--       row (JSON of the ledger row, or '' where the ledger has it),
--       number of parents, then for each: its id and its state by the ledger ('' unknown),
--       then the fields and values of the hash.
-- Returns {1 if it was written else 0, state}.

local id, queue, due, at_front = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local allow_failure, row, parents = ARGV[5] == '1', ARGV[6], tonumber(ARGV[7])
local key = job_key(id)

if redis.call('EXISTS', key) == 1 then
  return {0, redis.call('HGET', key, 'status') or ''}
end

local fields = {}
for i = 8 + 2 * parents, #ARGV do fields[#fields + 1] = ARGV[i] end
redis.call('HSET', key, unpack(fields))
redis.call('SADD', 'rq:queues', 'rq:queue:' .. queue)
if due ~= '' then redis.call('HSET', key, 'ty:due', due) end

local open = 0
for n = 1, parents do
  local parent, known = ARGV[6 + 2 * n], ARGV[7 + 2 * n]
  local status = redis.call('HGET', job_key(parent), 'status') or known
  redis.call('SADD', 'rq:job::' .. id .. ':dependencies', parent)
  if not ended_well(status, allow_failure) then
    open = open + 1
    redis.call('SADD', 'rq:job:' .. parent .. ':dependents', id)
  end
end

local state = 'deferred'
if open > 0 then
  redis.call('HSET', key, 'status', state, 'ty:open', open)
  redis.call('ZADD', 'rq:deferred:' .. queue, now_text, id)
else
  if parents > 0 then redis.call('HSET', key, 'ty:open', 0) end
  state, due = place(id, queue, at_front)
end
emit(id, 'pushed', state, {'queue', queue, 'due', due, 'row', row})
return {1, state}
