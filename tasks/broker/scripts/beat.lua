-- RQ's own heartbeat for running jobs: what stock readers go by.
-- Also writes: rq:execution:<job>:<execution> (hash), rq:executions:<job> (zset).
-- KEYS: rq:wip:<queue> (zset). ARGV: RQ's seconds in wip, then pairs of job and execution.

go_on_when_full()
local seconds = tonumber(ARGV[1])
for i = 2, #ARGV, 2 do
  local id, execution = ARGV[i], ARGV[i + 1]
  local member = id .. ':' .. execution
  redis.call('ZADD', KEYS[1], 'XX', now + seconds, member)
  if redis.call('EXISTS', 'rq:execution:' .. member) == 1 then
    redis.call('HSET', 'rq:execution:' .. member, 'last_heartbeat', now_text)
    redis.call('EXPIRE', 'rq:execution:' .. member, seconds)
    redis.call('ZADD', 'rq:executions:' .. id, now + seconds + 60, execution)
    redis.call('EXPIRE', 'rq:executions:' .. id, seconds + 60)
  end
  if is_job(id) then redis.call('HSET', job_key(id), 'last_heartbeat', now_iso) end
end
return #ARGV
