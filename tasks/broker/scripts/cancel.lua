-- Take a job that has not begun out of where it waits.
-- Also writes: rq:canceled:<queue> (zset, job -> when).
-- ARGV: id, who. Returns {1 if it was canceled else 0, the state it was in}.

local id, who = ARGV[1], ARGV[2]
local key = job_key(id)
if not is_job(id) then return {0, ''} end
local status, queue = field(id, 'status'), field(id, 'origin')
if status == 'queued' then
  redis.call('LREM', 'rq:queue:' .. queue, 0, id)
elseif status == 'scheduled' then
  redis.call('ZREM', 'rq:scheduler:scheduled_jobs', id)
  redis.call('ZREM', 'rq:scheduled:' .. queue, id)
elseif status == 'deferred' then
  redis.call('ZREM', 'rq:deferred:' .. queue, id)
elseif status ~= 'created' then
  return {0, status}
end
redis.call('HSET', key, 'status', 'canceled', 'ended_at', now_iso)
redis.call('ZADD', 'rq:canceled:' .. queue, now_text, id)
emit(id, 'canceled', 'canceled', {'queue', queue, 'by', who})
release(id, 'canceled', 50)
return {1, status}
