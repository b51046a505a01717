-- End every attempt of one queue whose lease has ended: its worker died, or was frozen for
-- longer. Its task says (ty:on_lost) whether the job waits again, first in line, or fails,
-- or is held as lost; an RQ client that decided about it meanwhile (canceled it, say) has
-- its way. A job that its workers died of again and again is quarantined.
-- Also writes: taskyard:lease:<queue>, rq:wip:<queue> (zsets, job:execution -> its end),
--   rq:execution:<job>:<execution> (hash), rq:executions:<job> (zset), rq:failed:<queue>
--   (zset, job -> when RQ forgets it), rq:results:<job> (stream), taskyard:releases (set),
--   taskyard:missing (set of jobs that were gone).
-- Also reads: taskyard:log:<job> (stream), rq:worker:<name> (hash, ty:seen).
-- ARGV: queue, most jobs at once, the latest end of a lease ('' for now), 1 where jobs are
--       quarantined (else no deaths are counted), RQ's exc_string of a job that ends here.
-- Returns how many leases had ended, then for each job that was started its id, the state
-- that it is in now, and the worker.

-- A suspect that its worker ran alone, under a keeper, was hardly what ended the whole
-- worker; after so many deaths it is quarantined all the same.
local QUARANTINE_ALONE_AFTER = 5

-- Seconds within which a worker that lives has beaten. A lease that one did not renew (the
-- answer to its claim was lost, say) is no death.
local BEATS_WITHIN = 10

local STOCK_FAILURE_TTL = 31536000

local queue, until_then = ARGV[1], ARGV[3] == '' and now_text or ARGV[3]
local quarantines, exc_string = ARGV[4] == '1', ARGV[5]
local ended = call('ZRANGEBYSCORE', 'taskyard:lease:' .. queue, '-inf', until_then,
  'LIMIT', 0, tonumber(ARGV[2]))
local told = {#ended}

-- Since when a worker of that name lives; false where none does.
local living = setmetatable({}, {__index = function(known, name)
  local told = redis.pcall('HMGET', 'rq:worker:' .. name, 'ty:seen', 'ty:since')
  local seen, since = tonumber(told[1] or ''), tonumber(told[2] or '') or 0
  known[name] = seen and now - seen < BEATS_WITHIN and since or false
  return known[name]
end})

-- What the job was when its worker was lost.
local id, key, execution, started, status, worker, attempt, solo, deaths, message
local forget_after

-- Another process may have taken the name of the dead one.
local function lives()
  local since = living[worker]
  return since and since <= (tonumber(started) or now)
end

-- Count a death, and say whether it was one too many.
local function was_last_death()
  if not quarantines or lives() then return false end
  deaths[#deaths + 1] = time[1]
  call('HSET', key, 'ty:deaths', table.concat(deaths, ','), 'ty:died', execution)
  local most = solo == execution and QUARANTINE_ALONE_AFTER or QUARANTINE_AFTER
  return #deaths >= most
end

-- RQ knows neither of our states: to its readers the job failed.
local function end_as_failed(ttl)
  call('HSET', key, 'status', 'failed', 'ended_at', now_iso, 'exc_info', message)
  call('XADD', 'rq:results:' .. id, 'MAXLEN', '~', '10', '*', 'type', '2', 'exc_string',
    exc_string, 'worker_name', worker, 'execution_id', execution,
    'execution_started_at', started, 'execution_ended_at', now_text)
  call('ZADD', 'rq:failed:' .. queue, ttl < 0 and '+inf' or now + ttl, id)
  if call('EXISTS', key .. ':dependents') == 1 then call('SADD', 'taskyard:releases', id) end
end

local ENDS = {fail = 'failed', hold = 'lost'}

-- Decide what becomes of a job; returns its state.
local function decide(on_lost, ttl)
  local state = ENDS[on_lost]
  if was_last_death() then
    state, message = 'quarantined', message .. ': death ' .. #deaths .. ' within 72 hours'
  end
  if not state then return place(id, queue, true) end
  forget_after = tonumber(ttl or '') or STOCK_FAILURE_TTL
  end_as_failed(forget_after)
  return state
end

local function lose()
  local known = call('HMGET', key, 'ty:exec', 'status', 'worker_name', 'ty:attempts',
    'ty:solo', 'ty:deaths', 'ty:on_lost', 'failure_ttl')
  if known[1] ~= execution then return end
  status, worker, attempt, solo = known[2] or '', known[3] or '', known[4] or '', known[5]
  deaths, message = deaths_in(known[6]), 'worker ' .. worker .. ' stopped answering'
  forget_after = -1
  call('HDEL', key, 'ty:exec', 'ty:due')
  local state = status
  if status == 'started' then
    state = decide(known[7], known[8])
    told[#told + 1], told[#told + 2], told[#told + 3] = id, state, worker
  end
  emit(id, 'lost', state, {'queue', queue, 'exec', execution, 'worker', worker,
    'attempt', attempt, 'started', started, 'error', 'WorkerLost',
    'message', message, 'logged', call('EXISTS', 'taskyard:log:' .. id)})
  if forget_after >= 0 then
    -- Last: a ttl of 0 removes it at once.
    call('EXPIRE', 'rq:results:' .. id, forget_after)
    call('EXPIRE', key, forget_after)
  end
end

for _, member in ipairs(ended) do
  call('ZREM', 'taskyard:lease:' .. queue, member)
  call('ZREM', 'rq:wip:' .. queue, member)
  local created_at = redis.pcall('HGET', 'rq:execution:' .. member, 'created_at')
  started = type(created_at) == 'string' and created_at or ''
  call('DEL', 'rq:execution:' .. member)
  id, execution = string.match(member, '^(.*):([^:]*)$')
  if id and is_job(id) then
    key = job_key(id)
    call('ZREM', 'rq:executions:' .. id, execution)
    pcall(lose)
  elseif id then
    call('SADD', 'taskyard:missing', id)
  end
end
return told
