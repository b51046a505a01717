-- End one attempt. It begins with the removal of lease and wip entry: whoever no longer
-- holds both is refused, and the late result is recorded as superseded.
--
-- Also writes: what claim.lua names, rq:results:<job> (stream), rq:finished:<queue>,
--   rq:failed:<queue> (zsets, job -> when RQ forgets it), taskyard:releases (set).
-- Also reads: taskyard:log:<job> (stream), to say whether there is one.
--
-- ARGV: id, execution, queue, verb (finish, fail, stop or handback), worker,
--       started (Unix seconds), result type of RQ (1 or 2), result field name and value,
--       exc_info (zlib, or ''), retry after (seconds, '' where it must not be retried),
--       result ttl, failure ttl, then fields and values for the event.
-- Returns the state that the job is in now, or 'superseded'.

local CHILDREN_AT_ONCE = 50

local id, execution, queue, verb, worker = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local started, kind, name, value = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local exc_info, retry_after = ARGV[10], ARGV[11]
local result_ttl, failure_ttl = tonumber(ARGV[12]), tonumber(ARGV[13])
local member, key = id .. ':' .. execution, job_key(id)

local facts = {'queue', queue, 'exec', execution, 'worker', worker, 'started', started}
for i = 14, #ARGV do facts[#facts + 1] = ARGV[i] end
facts[#facts + 1] = 'progress'
facts[#facts + 1] = field(id, 'ty:progress')
facts[#facts + 1] = 'logged'
facts[#facts + 1] = redis.call('EXISTS', 'taskyard:log:' .. id)

local had_lease = redis.call('ZREM', 'taskyard:lease:' .. queue, member)
local had_wip = redis.call('ZREM', 'rq:wip:' .. queue, member)
redis.call('DEL', 'rq:execution:' .. member)
redis.call('ZREM', 'rq:executions:' .. id, execution)
if had_lease == 0 or had_wip == 0 or not is_job(id) then
  if is_job(id) then emit(id, 'superseded', field(id, 'status'), facts) end
  return 'superseded'
end

local function count(name)
  local hash = 'rq:worker:' .. worker
  if redis.call('EXISTS', hash) == 0 then return end
  redis.call('HINCRBY', hash, name, 1)
  redis.call('HINCRBYFLOAT', hash, 'total_working_time', now - tonumber(started))
end

local function keep_result(ttl)
  local stream = 'rq:results:' .. id
  redis.call('XADD', stream, 'MAXLEN', '~', 10, '*', 'type', kind, name, value,
    'worker_name', worker, 'execution_id', execution, 'execution_started_at', started,
    'execution_ended_at', now_text)
  if ttl >= 0 then redis.call('EXPIRE', stream, ttl) end
end

local function expire(ttl)
  if ttl < 0 then return end
  redis.call('EXPIRE', key, ttl)
  redis.call('EXPIRE', key .. ':dependents', ttl)
  redis.call('EXPIRE', 'rq:job::' .. id .. ':dependencies', ttl)
end

local function remember(registry, ttl)
  redis.call('ZADD', 'rq:' .. registry .. ':' .. queue, ttl < 0 and '+inf' or now + ttl, id)
end

local function ended(state)
  redis.call('HSET', key, 'status', state, 'ended_at', now_iso)
  redis.call('HDEL', key, 'ty:exec')
  emit(id, state, state, facts)
  local more = release(id, state, CHILDREN_AT_ONCE)
  if more then redis.call('SADD', 'taskyard:releases', id) end
  return more
end

-- A result ttl of 0 means at once, or when the last children have been released.
local function forget(more)
  if more then return expire(60) end
  redis.call('DEL', key, key .. ':dependents', 'rq:job::' .. id .. ':dependencies')
end

local function finish()
  count('successful_job_count')
  local more = ended('finished')
  if result_ttl == 0 then return forget(more) end
  keep_result(result_ttl)
  remember('finished', result_ttl)
  expire(result_ttl)
end

local function retry()
  redis.call('HINCRBY', key, 'retries_left', -1)
  redis.call('HDEL', key, 'ty:exec', 'ty:due')
  local state, due = 'queued', ''
  if tonumber(retry_after) > 0 then
    state, due = 'scheduled', string.format('%.3f', now + tonumber(retry_after))
    redis.call('ZADD', 'rq:scheduled:' .. queue, due, id)
    redis.call('HSET', key, 'status', state)
  else
    place(id, queue, field(id, 'enqueue_at_front_on_retry') == '1')
  end
  facts[#facts + 1] = 'due'
  facts[#facts + 1] = due
  emit(id, 'retrying', state, facts)
  return state
end

local function fail()
  count('failed_job_count')
  keep_result(failure_ttl)
  if retry_after ~= '' and (tonumber(field(id, 'retries_left')) or 0) > 0 then
    return retry()
  end
  redis.call('HSET', key, 'exc_info', exc_info)
  ended(verb == 'stop' and 'stopped' or 'failed')
  remember('failed', failure_ttl)
  expire(failure_ttl)
  return field(id, 'status')
end

-- The worker is going down: the job waits again, first in line, its attempt not counted.
local function handback()
  redis.call('HINCRBY', key, 'ty:attempts', -1)
  redis.call('HDEL', key, 'ty:exec', 'ty:due')
  place(id, queue, true)
  emit(id, 'handedback', 'queued', facts)
  return 'queued'
end

if verb == 'finish' then
  finish()
  return 'finished'
end
if verb == 'handback' then return handback() end
return fail()
