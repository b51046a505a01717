-- End attempts. It begins with the removal of their leases and wip entries: whoever no
-- longer holds both is refused, and the late result is recorded as superseded.
--
-- Also writes: what claim.lua names, rq:results:<job> (stream), rq:finished:<queue>,
--   rq:failed:<queue> (zsets, job -> when RQ forgets it), taskyard:releases (set),
--   taskyard:result (stream, gone when the script ends), taskyard:missing (set of jobs that
--   were gone).
--
-- ARGV: worker, host, then for each attempt: id, execution, queue, verb (finish, fail,
--       stop, quarantine, again, exceeded or handback), started (Unix seconds), attempt,
--       result (RQ's return_value or exc_string), exc_info (zlib, or ''), retry after
--       (seconds, '' where it must not be retried), result ttl, failure ttl, how many
--       facts follow, and these: names and values for the event.
-- Returns for each the state that the job is in now, 'superseded', or 'broken: ' and why.

-- Children released by one call at most; parents with more are left to release.lua.
local children_left = 50

-- By verb: RQ's type of result (rq.results.Result.Type) and the field that holds it.
local TYPES = {finish = '1', fail = '2', stop = '2', quarantine = '2', again = '4',
  exceeded = '5'}
local FIELDS = {fail = 'exc_string', stop = 'exc_string', quarantine = 'exc_string'}

local worker, host = ARGV[1], ARGV[2]
local counters, working_time = {}, 0
local registries, ends = {}, {}

-- The attempt that is being ended, and what Redis knows of its job.
local id, execution, queue, verb, started, attempt, result, exc_info, retry_after
local result_ttl, failure_ttl, key, facts
local seq, retries_left, repeats_left, has_parents, has_dependents, is_bare

-- Say at which argument each attempt begins.
local function find_attempts()
  local starts, i = {}, 3
  while i <= #ARGV do
    starts[#starts + 1] = i
    i = i + 12 + tonumber(ARGV[i + 11])
  end
  return starts
end

local function member_at(i) return ARGV[i] .. ':' .. ARGV[i + 1] end

-- Remove the attempts from one kind of zset; returns which of them were in it.
local function let_go(starts, prefix)
  local by_queue, present = {}, {}
  for _, i in ipairs(starts) do
    local members = by_queue[ARGV[i + 2]] or {}
    by_queue[ARGV[i + 2]] = members
    members[#members + 1] = member_at(i)
  end
  for name, members in pairs(by_queue) do
    local scores = call('ZMSCORE', prefix .. name, unpack(members))
    call('ZREM', prefix .. name, unpack(members))
    for n, member in ipairs(members) do present[member] = scores[n] end
  end
  return present
end

local function read_attempt(i)
  id, execution, queue, verb, started, attempt, result, exc_info, retry_after =
    unpack(ARGV, i, i + 8)
  result_ttl, failure_ttl = tonumber(ARGV[i + 9]), tonumber(ARGV[i + 10])
  key = 'rq:job:' .. id
  facts = {'queue', queue, 'exec', execution, 'worker', worker, 'started', started,
    'attempt', attempt, unpack(ARGV, i + 12, i + 11 + tonumber(ARGV[i + 11]))}
end

local function add_fact(name, value)
  local n = #facts
  facts[n + 1], facts[n + 2] = name, value
end

local function count(name)
  counters[name] = (counters[name] or 0) + 1
  working_time = working_time + now - tonumber(started)
end

-- Redis reserves 4 KB for the first entry of a stream; a copy takes what it needs.
local function keep_result(ttl)
  local stream = 'rq:results:' .. id
  local is_first = is_bare or call('EXISTS', stream) == 0
  call('XADD', is_first and 'taskyard:result' or stream, 'MAXLEN', '~', '10', '*',
    'type', TYPES[verb], FIELDS[verb] or 'return_value', result, 'worker_name', worker,
    'execution_id', execution, 'execution_started_at', started,
    'execution_ended_at', now_text)
  if is_first then
    call('COPY', 'taskyard:result', stream)
    call('DEL', 'taskyard:result')
  end
  if ttl >= 0 then call('EXPIRE', stream, texts[ttl]) end
end

local function expire(ttl)
  if ttl < 0 then return end
  call('EXPIRE', key, texts[ttl])
  if has_dependents then call('EXPIRE', key .. ':dependents', texts[ttl]) end
  if has_parents then call('EXPIRE', 'rq:job::' .. id .. ':dependencies', texts[ttl]) end
end

local function remember(registry, ttl)
  local name = registry .. queue
  local entries = registries[name] or {}
  registries[name] = entries
  ends[ttl] = ends[ttl] or (ttl < 0 and '+inf' or texts[math.floor(now + ttl)])
  local n = #entries
  entries[n + 1], entries[n + 2] = ends[ttl], id
end

-- Returns whether children are left that wait for this end.
local function release_children(state)
  has_dependents = not is_bare and call('EXISTS', key .. ':dependents') == 1
  if not has_dependents then return false end
  local more = true
  if children_left > 0 then
    local waiting = call('SCARD', key .. ':dependents')
    more = release(id, state, children_left)
    children_left = children_left - waiting
  end
  if more then call('SADD', 'taskyard:releases', id) end
  return more
end

-- `status` is RQ's word for the state, where it has none of its own.
local function ended(state, status)
  seq, status = texts[seq + 1], status or state
  call('HSET', key, 'status', status, 'ended_at', now_iso, 'ty:exec', '', 'ty:seq', seq)
  emit(id, state, state, facts, seq)
  return release_children(status)
end

-- A result ttl of 0 means at once, or when the last children have been released.
local function forget(more)
  if more then return expire(3600) end
  call('DEL', key, key .. ':dependents', 'rq:job::' .. id .. ':dependencies')
end

-- Put the job where it waits for its next attempt: its queue, or RQ's set of due jobs.
local function wait_again(seconds, at_front)
  call('HDEL', key, 'ty:due')
  call('HSET', key, 'ty:exec', '')
  if seconds <= 0 then return place(id, queue, at_front) end
  local due = string.format('%.3f', now + seconds)
  put_off('rq:scheduled:' .. queue, due, id)
  call('HSET', key, 'status', 'scheduled')
  return 'scheduled', due
end

-- RQ's Repeat: the intervals in the order given, the last one for all further times.
local function repeat_later()
  call('HINCRBY', key, 'repeats_left', -1)
  local made = call('HINCRBY', key, 'ty:repeats', 1)
  local ok, intervals = pcall(cjson.decode, field(id, 'repeat_intervals'))
  local seconds = ok and type(intervals) == 'table'
    and tonumber(intervals[math.min(made, #intervals)]) or 0
  call('PERSIST', key)
  local state, due = wait_again(seconds, false)
  emit(id, 'released', state, {'queue', queue, 'due', due})
end

local function finish()
  count('successful_job_count')
  local more = ended('finished')
  local repeats = repeats_left and repeats_left > 0
  if result_ttl ~= 0 then
    keep_result(result_ttl)
    remember('rq:finished:', result_ttl)
    expire(result_ttl)
  elseif not repeats then
    forget(more)
  end
  if repeats then repeat_later() end
  return 'finished'
end

local function retry()
  local at_front = field(id, 'enqueue_at_front_on_retry') == '1'
  local state, due = wait_again(tonumber(retry_after), at_front)
  add_fact('due', due)
  emit(id, 'retrying', state, facts)
  return state
end

local function fail()
  count('failed_job_count')
  keep_result(failure_ttl)
  if retry_after ~= '' and (retries_left or 0) > 0 then
    call('HINCRBY', key, 'retries_left', -1)
    return retry()
  end
  call('HSET', key, 'exc_info', exc_info)
  local state = verb == 'stop' and 'stopped' or 'failed'
  ended(state)
  remember('rq:failed:', failure_ttl)
  expire(failure_ttl)
  return state
end

-- The process that was made for a suspect alone died: it was the job.
local function quarantine()
  count('failed_job_count')
  keep_result(failure_ttl)
  local deaths = deaths_in(field(id, 'ty:deaths'))
  deaths[#deaths + 1] = time[1]
  call('HSET', key, 'exc_info', exc_info, 'ty:deaths', table.concat(deaths, ','))
  ended('quarantined', 'failed')
  remember('rq:failed:', failure_ttl)
  expire(failure_ttl)
  return 'quarantined'
end

-- The task returned RQ's Retry.
local function again()
  keep_result(failure_ttl)
  call('HINCRBY', key, 'number_of_retries', 1)
  return retry()
end

-- The worker is going down: the job waits again, first in line, its attempt not counted.
local function handback()
  call('HINCRBY', key, 'ty:attempts', -1)
  wait_again(0, true)
  emit(id, 'handedback', 'queued', facts)
  return 'queued'
end

local VERBS = {finish = finish, fail = fail, stop = fail, quarantine = quarantine,
  exceeded = fail, again = again, handback = handback}

-- An RQ client that cancels a running job, or counts it as abandoned, tells nobody.
local function tell_what_rq_did(status)
  if status ~= 'canceled' and status ~= 'failed' then return end
  if field(id, 'ty:exec') ~= execution then return end
  call('HSET', key, 'ty:exec', '')
  emit(id, status, status, {'queue', queue, 'worker', worker, 'attempt', attempt,
    'by', 'rq'})
end

local function settle(is_held)
  call('DEL', 'rq:execution:' .. id .. ':' .. execution)
  call('ZREM', 'rq:executions:' .. id, execution)
  local known = redis.pcall('HMGET', key, 'status', 'ty:seq', 'ty:progress',
    'retries_left', 'repeats_left', 'dependency_id')
  if known.err or not known[1] then
    -- An RQ client that deletes a running job takes it out of wip as well.
    if is_held then call('SADD', 'taskyard:missing', id) end
    return 'superseded'
  end
  if known[3] then add_fact('progress', known[3]) end
  if not is_held then
    forgive(id, execution)
    emit(id, 'superseded', known[1], facts)
    tell_what_rq_did(known[1])
    return 'superseded'
  end
  seq, retries_left = tonumber(known[2]) or 0, tonumber(known[4])
  repeats_left, has_parents = tonumber(known[5]), known[6]
  -- Most jobs have neither children nor an earlier result: one question for both.
  is_bare = call('EXISTS', key .. ':dependents', 'rq:results:' .. id) == 0
  return VERBS[verb]()
end

-- Redis does not roll back: a job whose end cannot be written must not stay started.
local function give_up(problem)
  local message = tostring(type(problem) == 'table' and problem.err or problem)
  call('ZADD', 'rq:failed:' .. queue, now + 31536000, id)
  redis.pcall('HSET', key, 'status', 'failed', 'ty:exec', '')
  pcall(emit, id, 'failed', 'failed', {'queue', queue, 'exec', execution,
    'worker', worker, 'error', 'BrokenJob', 'message', message})
  return 'broken: ' .. message
end

local starts = find_attempts()
local leased = let_go(starts, 'taskyard:lease:')
local in_wip = let_go(starts, 'rq:wip:')

local states = {}
for n, i in ipairs(starts) do
  local member = member_at(i)
  read_attempt(i)
  local ok, state = pcall(settle, leased[member] and in_wip[member])
  states[n] = ok and state or give_up(state)
end

for name, entries in pairs(registries) do redis.pcall('ZADD', name, unpack(entries)) end
local hash = 'rq:worker:' .. worker
if next(counters) and call('EXISTS', hash) == 1 then
  for name, number in pairs(counters) do call('HINCRBY', hash, name, number) end
  call('HINCRBYFLOAT', hash, 'total_working_time', working_time)
end
return states
