-- Put back into its queue, first in line, what a dead worker held: every job whose lease
-- has ended, unless an RQ client has decided about it meanwhile (it was canceled, say).
-- Its attempt is recorded as lost.
-- Also writes: taskyard:lease:<queue>, rq:wip:<queue> (zsets, job:execution -> its end),
--   rq:execution:<job>:<execution> (hash), rq:executions:<job> (zset).
-- Also reads: taskyard:log:<job> (stream), to say whether there is one.
-- ARGV: queue, most jobs at once. Returns the ids that wait again.

local queue = ARGV[1]
local back = {}

local function requeue(id, execution)
  if field(id, 'ty:exec') ~= execution then return end
  local worker = field(id, 'worker_name')
  redis.call('HDEL', job_key(id), 'ty:exec', 'ty:due')
  local state = field(id, 'status')
  if state == 'started' then
    state = place(id, queue, true)
    back[#back + 1] = id
  end
  emit(id, 'lost', state, {'queue', queue, 'exec', execution, 'worker', worker,
    'attempt', field(id, 'ty:attempts'), 'logged', redis.call('EXISTS', 'taskyard:log:' .. id), 'error', 'WorkerLost', 'message', 'worker ' .. worker .. ' stopped answering'})
end

local ended = redis.call('ZRANGEBYSCORE', 'taskyard:lease:' .. queue, '-inf', now_text,
  'LIMIT', 0, tonumber(ARGV[2]))
for _, member in ipairs(ended) do
  redis.call('ZREM', 'taskyard:lease:' .. queue, member)
  redis.call('ZREM', 'rq:wip:' .. queue, member)
  redis.call('DEL', 'rq:execution:' .. member)
  local id, execution = string.match(member, '^(.*):([^:]*)$')
  if id and is_job(id) then
    redis.call('ZREM', 'rq:executions:' .. id, execution)
    pcall(requeue, id, execution)
  end
end
return back
