-- Shared by every script: it is put before each of them when they are loaded.
--
-- Key space (every key is described in broker/keys.py):
--   rq:job:<id>                 hash    RQ's fields, and ours prefixed ty:
--   rq:job:<id>:dependents      set     children that wait for this job
--   rq:job::<id>:dependencies   set     its parents (the double colon is RQ's)
--   rq:queue:<queue>            list    job ids, the next one on the left
--   rq:deferred:<queue>         zset    job id -> when it was deferred
--   rq:scheduled:<queue>        zset    job id -> due, Unix seconds (RQ's retries)
--   rq:scheduler:scheduled_jobs zset    job id -> due, Unix seconds (delays); below 0 the
--                                       entry of witness.py
--   taskyard:events             stream  one entry for each change of a job
--   taskyard:soon               channel wakes the schedulers; see put_off
--   taskyard:none               none    never there; see go_on_when_full
--
-- Fields of ours in a job's hash:
--   ty:task ('=' where the call names it), ty:kind (async or sync), ty:seq (events so
--   far), ty:open (parents not yet ended), ty:waits (one of them), ty:due (Unix seconds),
--   ty:attempts, ty:exec (the execution that holds it), ty:backoff, ty:retries,
--   ty:progress, ty:on_lost (fail or hold: what becomes of it when its worker dies; else
--   it is queued again), ty:deaths (Unix seconds, by commas, at which its workers died),
--   ty:died (the execution of the last death), ty:solo (the execution that runs it alone,
--   under a keeper), ty:held (until when, in Unix seconds, the breaker of its task held it
--   back last, and on which worker)

local call = redis.call
local time = call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local now_text = string.format('%d.%06d', time[1], time[2])

-- RQ's date format. Days to a date: Howard Hinnant's civil_from_days.
local function iso()
  local seconds = tonumber(time[1])
  local days = math.floor(seconds / 86400)
  local rest = seconds - days * 86400
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%06dZ', year, month, day,
    math.floor(rest / 3600), math.floor(rest % 3600 / 60), rest % 60, time[2])
end

local now_iso = iso()

-- Redis prints every number that a script passes with %.17g, which costs more than the
-- command; the hot paths pass text, made once for each number.
local texts = setmetatable({}, {__index = function(known, number)
  known[number] = string.format('%.0f', number)
  return known[number]
end})

-- At maxmemory Redis lets a script write only if its first write cannot take memory. A
-- script that must go on then, and does not begin so anyway, says this before: it changes
-- nothing.
local function go_on_when_full() call('UNLINK', 'taskyard:none') end

-- Deaths within 72 hours after which a job is a suspect, and runs alone; and after which
-- it is quarantined.
local SUSPECT_AFTER, QUARANTINE_AFTER = 2, 3

-- The deaths of a job that still count, from its ty:deaths.
local function deaths_in(text)
  local recent = {}
  for second in string.gmatch(text or '', '%d+') do
    if now - tonumber(second) < 259200 then recent[#recent + 1] = second end
  end
  return recent
end

local function job_key(id) return 'rq:job:' .. id end

local function is_job(id)
  return redis.call('TYPE', job_key(id)).ok == 'hash'
end

local function field(id, name)
  return redis.call('HGET', job_key(id), name) or ''
end

-- What the ledger must be told of a job that a stock client enqueued: it has never heard of
-- it, and the job's first event brings the row.
local SUBMISSION = {'description', 'created_at', 'enqueued_at', 'data', 'timeout', 'result_ttl',
  'failure_ttl', 'retries_left'}

local function add_submission(facts, id)
  for i, value in ipairs(call('HMGET', job_key(id), unpack(SUBMISSION))) do
    if value then
      facts[#facts + 1] = 'rq.' .. SUBMISSION[i]
      facts[#facts + 1] = value
    end
  end
end

-- Where the events of a stock client's job begin: past those of any earlier job that had
-- its id, which the ledger remembers (seconds since 2020).
local first_seq = string.format('%.0f', now - 1577836800)

-- Count one event more of a job; the first one of a stock client's tells of its submission.
local function count_event(id, facts)
  local seq = call('HINCRBY', job_key(id), 'ty:seq', 1)
  if seq > 1 or field(id, 'ty:task') ~= '' then return seq end
  add_submission(facts, id)
  call('HSET', job_key(id), 'ty:seq', first_seq)
  return first_seq
end

-- Append one event; `fields` is a flat list of names and values, which may become longer.
-- Whoever writes the new ty:seq together with other fields passes it.
local function emit(id, kind, state, fields, seq)
  fields = fields or {}
  seq = seq or count_event(id, fields)
  redis.call('XADD', 'taskyard:events', '*', 'id', id, 'seq', seq, 'kind', kind,
    'state', state, 'at', now_text, unpack(fields))
end

-- Schedulers look at least as often by themselves, in seconds, and some.
local SOON = 0.2

-- Put a job aside in a zset until it is due. The schedulers are woken where that is before
-- their next look, and before all that they know to be due soon.
local function put_off(set, due, id)
  local is_next = tonumber(due) - now < SOON and call('ZCOUNT', set, '(' .. now_text, due) == 0
  call('ZADD', set, due, id)
  if is_next then call('PUBLISH', 'taskyard:soon', due) end
end

-- Put a job that nothing holds back into its queue, or aside until it is due.
-- Returns the state it is in now and when it is due ('' for a queue).
local function place(id, queue, at_front)
  local due = field(id, 'ty:due')
  if due ~= '' and tonumber(due) > now then
    put_off('rq:scheduler:scheduled_jobs', due, id)
    redis.call('HSET', job_key(id), 'status', 'scheduled')
    return 'scheduled', due
  end
  redis.call('HSET', job_key(id), 'status', 'queued', 'enqueued_at', now_iso)
  redis.call(at_front and 'LPUSH' or 'RPUSH', 'rq:queue:' .. queue, id)
  return 'queued', ''
end

-- A worker that speaks up lives: what the sweep took for its death was none.
local function forgive(id, execution)
  local known = call('HMGET', job_key(id), 'ty:died', 'ty:deaths')
  if known[1] ~= execution then return end
  local deaths = deaths_in(known[2])
  deaths[#deaths] = nil
  call('HDEL', job_key(id), 'ty:died', 'ty:deaths')
  if #deaths > 0 then call('HSET', job_key(id), 'ty:deaths', table.concat(deaths, ',')) end
end

local function ended_well(status, allow_failure)
  if status == 'finished' then return true end
  return allow_failure and
    (status == 'failed' or status == 'stopped' or status == 'canceled')
end

-- Count the parents that a job has to wait for, and have each tell it of its end: one that
-- was retried told of its first. A missing one counts as met, as in RQ.
local function await_parents(id, allow_failure)
  local open = 0
  for _, parent in ipairs(redis.call('SMEMBERS', 'rq:job::' .. id .. ':dependencies')) do
    local status = redis.call('HGET', job_key(parent), 'status')
    if status and not ended_well(status, allow_failure) then
      redis.call('SADD', 'rq:job:' .. parent .. ':dependents', id)
      open = open + 1
    end
  end
  return open
end

-- Whether some parent of a job is open. One that is, is noted in the child, and looked at
-- first the next time; the look for another begins anywhere, so that a thousand parents
-- that end one by one are not all looked at each time.
local function waits_for_another(id, allow_failure)
  local function is_open(parent)
    local status = redis.call('HGET', job_key(parent), 'status')
    return status and not ended_well(status, allow_failure)
  end
  local noted = field(id, 'ty:waits')
  if noted ~= '' and is_open(noted) then return true end
  local parents = redis.call('SMEMBERS', 'rq:job::' .. id .. ':dependencies')
  for n = 1, #parents do
    local parent = parents[(n + tonumber(time[2])) % #parents + 1]
    if is_open(parent) then
      redis.call('HSET', job_key(id), 'ty:waits', parent)
      return true
    end
  end
  return false
end

-- Tell a child that `parent` ended in `status`; release it when it waits for no other.
local function notify(parent, child, status)
  local is_there = is_job(child)
  local allow_failure = is_there and field(child, 'allow_dependency_failures') == '1'
  if not ended_well(status, allow_failure) then return end
  if redis.call('SREM', 'rq:job:' .. parent .. ':dependents', child) == 0 then return end
  if not is_there or field(child, 'status') ~= 'deferred' then return end
  local counted = redis.call('HEXISTS', job_key(child), 'ty:open') == 1
  local open = counted and redis.call('HINCRBY', job_key(child), 'ty:open', -1) or 1
  -- A parent that a stock worker ran was not counted down.
  if open > 0 and waits_for_another(child, allow_failure) then return end
  local queue = field(child, 'origin')
  redis.call('ZREM', 'rq:deferred:' .. queue, child)
  local state, due = place(child, queue, field(child, 'enqueue_at_front') == '1')
  emit(child, 'released', state, {'queue', queue, 'due', due})
end

-- Release up to `limit` children of a job that finished, or all that may follow one
-- that did not (the others stay, for a retry of the parent). Says whether some are left.
local function release(parent, status, limit)
  local key = 'rq:job:' .. parent .. ':dependents'
  if redis.call('EXISTS', key) == 0 then return false end
  local finished = status == 'finished'
  local children = finished and redis.call('SRANDMEMBER', key, limit)
    or redis.call('SMEMBERS', key)
  -- A child that is garbage must not undo the end of its parent.
  for _, child in ipairs(children) do pcall(notify, parent, child, status) end
  return finished and redis.call('EXISTS', key) == 1
end
