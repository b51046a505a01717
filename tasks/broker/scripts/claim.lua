-- Take jobs from a worker's queues, in order, and write all that RQ writes when a job
-- starts, with our lease and the event. A job is never in no list.
--
-- Also writes: rq:execution:<job>:<execution> (hash), rq:executions:<job> (zset),
--   rq:wip:<queue> (zset, job:execution -> RQ's end), taskyard:lease:<queue> (zset, the
--   same member -> our end by Redis' clock), rq:worker:<name> (hash), rq:failed:<queue>.
-- Also reads: rq:suspended (RQ's word that no worker may take anything).
--
-- ARGV: worker, host, lease seconds, RQ's seconds in wip, most sync jobs, most coroutine
--       jobs, number of queues, the queues, number of coroutine functions, their dotted
--       paths, then one execution id for each job that may be taken.
-- A stock client's job does not say whether it is a coroutine, so RQ's description
-- (path and arguments, unless the client chose another) is asked; a wrong guess costs
-- only time.
-- Returns {suspended (1 or 0), queues that were held back for want of a slot, jobs},
-- a job as {id, execution, queue, attempt, the fields named in WANTED}.

local WANTED = {'data', 'ty:task', 'timeout', 'retries_left', 'retry_intervals',
  'ty:backoff', 'success_callback_name', 'failure_callback_name',
  'stopped_callback_name', 'created_at', 'enqueued_at', 'description', 'result_ttl',
  'failure_ttl'}

-- Entries that lead to no job, dropped from one queue by one call.
local MOST_DROPPED = 200

local worker, host = ARGV[1], ARGV[2]
local lease_for, wip_for = tonumber(ARGV[3]), tonumber(ARGV[4])
local budget = {sync = tonumber(ARGV[5]), async = tonumber(ARGV[6])}
local queues = tonumber(ARGV[7])
local coroutines = {}
for i = 9 + queues, 8 + queues + tonumber(ARGV[8 + queues]) do coroutines[ARGV[i]] = true end
local next_execution = 9 + queues + tonumber(ARGV[8 + queues])

if redis.call('EXISTS', 'rq:suspended') == 1 then return {1, {}, {}} end

local held, taken = {}, {}

-- A job that a live lease holds stands in the list twice; the second entry is dropped.
local function is_running(id, queue)
  local holder = field(id, 'ty:exec')
  return holder ~= '' and
    redis.call('ZSCORE', 'taskyard:lease:' .. queue, id .. ':' .. holder)
end

local function start(id, queue, execution)
  local key, member = job_key(id), id .. ':' .. execution
  local known = redis.call('HEXISTS', key, 'ty:seq') == 1
  local attempt = redis.call('HINCRBY', key, 'ty:attempts', 1)
  redis.call('ZADD', 'taskyard:lease:' .. queue, now + lease_for, member)
  redis.call('ZADD', 'rq:wip:' .. queue, now + wip_for, member)
  redis.call('HSET', key, 'status', 'started', 'started_at', now_iso,
    'last_heartbeat', now_iso, 'worker_name', worker, 'ty:exec', execution)
  redis.call('HDEL', key, 'ty:progress')
  redis.call('PERSIST', key)
  redis.call('HSET', 'rq:execution:' .. member, 'id', execution, 'created_at', now_text,
    'last_heartbeat', now_text, 'worker_name', worker)
  redis.call('EXPIRE', 'rq:execution:' .. member, wip_for)
  redis.call('ZADD', 'rq:executions:' .. id, now + wip_for + 60, execution)
  redis.call('EXPIRE', 'rq:executions:' .. id, wip_for + 60)
  local values = redis.call('HMGET', key, unpack(WANTED))
  local facts = {'queue', queue, 'exec', execution, 'worker', worker, 'host', host,
    'attempt', attempt}
  if not known then
    -- The ledger has never heard of it: a stock client's job brings its row along.
    for i, name in ipairs(WANTED) do
      facts[#facts + 1] = 'rq.' .. name
      facts[#facts + 1] = values[i] or ''
    end
  end
  emit(id, 'started', 'started', facts)
  for i = 1, #WANTED do values[i] = values[i] or '' end
  taken[#taken + 1] = {id, execution, queue, attempt, values}
end

local function kind_of(id)
  local kind = field(id, 'ty:kind')
  if kind == '' then
    kind = coroutines[string.match(field(id, 'description'), '^[^(]*')] and 'async'
  end
  return kind == 'async' and 'async' or 'sync'
end

-- A start that broke off half-way must not look like a lost worker to the sweep.
local function drop_lease(id, queue, execution)
  local member = id .. ':' .. execution
  redis.call('ZREM', 'taskyard:lease:' .. queue, member)
  redis.call('ZREM', 'rq:wip:' .. queue, member)
  redis.call('HDEL', job_key(id), 'ty:exec')
end

-- An entry to be dropped: canceled, held already, or of a job of ours that is not queued
-- (the list names it twice). A stock client's job may be in any state here.
local function is_stale(id, queue)
  local status = field(id, 'status')
  if status == 'canceled' or is_running(id, queue) then return true end
  return status ~= 'queued' and field(id, 'ty:task') ~= ''
end

local function take(queue)
  local list = 'rq:queue:' .. queue
  for _ = 1, #ARGV - next_execution + 1 + MOST_DROPPED do
    if next_execution > #ARGV then return end
    -- An error (a table) is a key that is no list: the other queues go on.
    local id = redis.pcall('LINDEX', list, 0)
    if type(id) ~= 'string' then return end
    local good = is_job(id)
    local kind = good and kind_of(id) or 'sync'
    if good and budget[kind] < 1 then
      held[#held + 1] = queue
      return
    end
    redis.call('LPOP', list)
    if good and not is_stale(id, queue) then
      local ok, problem = pcall(start, id, queue, ARGV[next_execution])
      if ok then
        budget[kind] = budget[kind] - 1
        next_execution = next_execution + 1
      else
        drop_lease(id, queue, ARGV[next_execution])
        redis.call('ZADD', 'rq:failed:' .. queue, now + 31536000, id)
        redis.pcall('HSET', job_key(id), 'status', 'failed')
        pcall(emit, id, 'failed', 'failed', {'queue', queue, 'error', 'BrokenJob',
          'message', tostring(type(problem) == 'table' and problem.err or problem)})
      end
    end
  end
end

for i = 1, queues do take(ARGV[7 + i]) end

if #taken > 0 then
  redis.call('HSET', 'rq:worker:' .. worker, 'state', 'busy', 'current_job', taken[#taken][1])
end
return {0, held, taken}
