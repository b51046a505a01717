-- Look at a job that waits for its parents: release it where none of them is open, cancel
-- it where one was removed, else see to it that their ends will find it.
-- Also writes: rq:queues (set of queue keys), rq:canceled:<queue> (zset, job -> when).
-- ARGV: id, error and message of one that is canceled, then for each of its parents the
--       id and the ledger's state, for those that Redis has forgotten; 'removed' for one
--       that an RQ client deleted, or that waited for such a one, '' for an unknown one.
-- Returns the state that it is in now, '' where it is not deferred.

local id = ARGV[1]
local key = job_key(id)
if not is_job(id) or field(id, 'status') ~= 'deferred' then return '' end
local queue, allow_failure = field(id, 'origin'), field(id, 'allow_dependency_failures') == '1'

local parents, by_ledger = {}, {}
local function add(parent, state)
  if by_ledger[parent] then return end
  parents[#parents + 1], by_ledger[parent] = parent, state
end
for n = 4, #ARGV, 2 do add(ARGV[n], ARGV[n + 1]) end
for _, parent in ipairs(call('SMEMBERS', 'rq:job::' .. id .. ':dependencies')) do add(parent, '') end
local ok, named = pcall(cjson.decode, field(id, 'dependency_ids'))
for _, parent in ipairs(ok and type(named) == 'table' and named or {}) do add(parent, '') end

go_on_when_full()
local open, removed = 0, false
for _, parent in ipairs(parents) do
  local status = redis.pcall('HGET', job_key(parent), 'status')
  local is_there = type(status) == 'string'
  if not is_there or status == 'canceled' and by_ledger[parent] == 'removed' then
    status = by_ledger[parent]
  end
  if status == 'removed' then
    removed = removed or not allow_failure
  elseif status ~= '' and not ended_well(status, allow_failure) then
    open = open + 1
    if is_there then call('SADD', 'rq:job:' .. parent .. ':dependents', id) end
  end
end

if removed then
  call('ZREM', 'rq:deferred:' .. queue, id)
  call('HSET', key, 'status', 'canceled', 'ended_at', now_iso)
  call('ZADD', 'rq:canceled:' .. queue, now_text, id)
  emit(id, 'removed', 'canceled', {'queue', queue, 'error', ARGV[2], 'message', ARGV[3]})
  release(id, 'canceled', 50)
  return 'canceled'
end
call('HSET', key, 'ty:open', open)
if open > 0 then
  call('ZADD', 'rq:deferred:' .. queue, 'NX', now_text, id)
  return 'deferred'
end
call('ZREM', 'rq:deferred:' .. queue, id)
call('SADD', 'rq:queues', 'rq:queue:' .. queue)
local state, due = place(id, queue, field(id, 'enqueue_at_front') == '1')
emit(id, 'released', state, {'queue', queue, 'due', due})
return state
