-- Queue an ended job again, for a further attempt of the same id.
-- Also writes: rq:failed:<queue>, rq:canceled:<queue> (zsets, job -> when).
-- ARGV: id, who. Returns {1 if it waits again else 0, its state ('' when Redis forgot it)}.

local id, who = ARGV[1], ARGV[2]
local key = job_key(id)
if not is_job(id) then return {0, ''} end
local status, queue = field(id, 'status'), field(id, 'origin')
if status ~= 'failed' and status ~= 'stopped' and status ~= 'canceled' then
  return {0, status}
end
redis.call('ZREM', 'rq:failed:' .. queue, id)
redis.call('ZREM', 'rq:canceled:' .. queue, id)
redis.call('PERSIST', key)
-- Whoever asks for it answers for it: earlier deaths count no more.
redis.call('HDEL', key, 'exc_info', 'ty:exec', 'ty:due', 'ty:deaths')
redis.call('HSET', key, 'ended_at', '', 'started_at', '')
local retries = field(id, 'ty:retries')
if retries ~= '' then redis.call('HSET', key, 'retries_left', retries) end
local allow_failure = field(id, 'allow_dependency_failures') == '1'
local open = await_parents(id, allow_failure)
if open > 0 then
  -- It was canceled before its parents ended, so it waits for them again.
  redis.call('HSET', key, 'status', 'deferred', 'ty:open', open)
  redis.call('ZADD', 'rq:deferred:' .. queue, now_text, id)
  emit(id, 'retried', 'deferred', {'queue', queue, 'by', who})
  return {1, 'deferred'}
end
place(id, queue, false)
emit(id, 'retried', 'queued', {'queue', queue, 'by', who, 'due', ''})
return {1, 'queued'}
