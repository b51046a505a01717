-- Take jobs from a worker's queues, in order, and write all that RQ writes when a job
-- starts, with our lease and the event. A job is never in no list.
--
-- Also writes: rq:execution:<job>:<execution> (hash), rq:executions:<job> (zset),
--   rq:wip:<queue> (zset, job:execution -> RQ's end), taskyard:lease:<queue> (zset, the
--   same member -> our end by Redis' clock), rq:worker:<name> (hash), rq:failed:<queue>,
--   rq:scheduled:<queue> (zset, where jobs wait that a breaker holds back),
--   taskyard:missing (set of jobs whose entry was dropped because they were gone).
-- Also reads: rq:suspended (RQ's word that no worker may take anything), taskyard:pauses
--   (hash, queue:<name> -> end in Unix seconds, '' for none).
--
-- ARGV: worker, host, lease seconds, RQ's seconds in wip, most sync jobs, most coroutine
--       jobs, most jobs that a worker died of before (-1: none; 0: any number, and
--       suspects run as all others do), number of queues, the queues, number of coroutine
--       functions, their dotted paths, number of open breakers, what breakers.lua takes
--       of each, then one execution id for each job that may be taken.
-- Jobs whose worker died come back next in line, the one that killed it among others that
-- it only had with it: taken few at a time, they do not die together a second time. A
-- suspect takes a slot for sync jobs, and ty:solo tells its worker to run it alone.
-- A stock client's job does not say whether it is a coroutine, so RQ's description
-- (path and arguments, unless the client chose another) is asked; a wrong guess costs
-- only time.
-- Returns {suspended (1 or 0), queues that were held back for want of a slot, each with
-- the kind of slot (sync or async), queues that are paused, jobs, breakers.lua's reports},
-- a job as one list: id, execution, queue, attempt, the fields of WANTED from TASK to
-- LAST_ANSWERED and, where the job has one from FIRST_MARK on, a list of those in RARE
-- (false for none).

local WANTED = {'status', 'ty:exec', 'ty:seq', 'ty:progress', 'ty:kind', 'ty:attempts',
  'description', 'created_at', 'enqueued_at', 'ty:task', 'data', 'timeout', 'result_ttl',
  'failure_ttl', 'retries_left', 'number_of_retries', 'success_callback_name',
  'failure_callback_name', 'stopped_callback_name', 'webhooks', 'ty:deaths'}
local STATUS, HOLDER, SEQ, PROGRESS, KIND, ATTEMPTS, DESCRIPTION = 1, 2, 3, 4, 5, 6, 7
local TASK, DATA, LAST_ANSWERED, FIRST_MARK, DEATHS = 10, 11, 14, 15, 21

-- Few jobs have any of these; most answers are shorter by them.
local RARE = {'retries_left', 'number_of_retries', 'success_callback_name',
  'failure_callback_name', 'stopped_callback_name', 'webhooks', 'retry_intervals',
  'ty:backoff', 'success_callback_timeout', 'failure_callback_timeout',
  'stopped_callback_timeout', 'enqueued_at', 'ty:deaths', 'ty:solo'}

-- What the ledger must be told of a job that it has never heard of.
local ROW = {}
for i = DESCRIPTION, FIRST_MARK do ROW[i] = 'rq.' .. WANTED[i] end

-- Entries that lead to no job, dropped from one queue by one call.
local MOST_DROPPED = 200

local worker, host = ARGV[1], ARGV[2]
local lease_for, wip_for = tonumber(ARGV[3]), tonumber(ARGV[4])
-- Whole seconds, as RQ writes them, cost a third of fractions.
local lease_until = texts[math.floor(now + lease_for)]
local wip_until = texts[math.floor(now + wip_for)]
local executions_for = texts[wip_for + 60]
local executions_until = texts[math.floor(now + wip_for + 60)]
local budget = {sync = tonumber(ARGV[5]), async = tonumber(ARGV[6])}
local runs_solo = ARGV[7] ~= '0'
local lost_budget = runs_solo and tonumber(ARGV[7]) or math.huge
local queues = tonumber(ARGV[8])
local coroutines = {}
for i = 10 + queues, 9 + queues + tonumber(ARGV[9 + queues]) do coroutines[ARGV[i]] = true end
local next_execution = read_breakers(10 + queues + tonumber(ARGV[9 + queues]))
local some_are_open = #reports > 0

if call('EXISTS', 'rq:suspended') == 1 then return {1, {}, {}, {}, reports} end

local held, paused, taken, missing = {}, {}, {}, {}

-- A job that a live lease holds stands in the list twice; the second entry is dropped.
local function is_running(id, queue, holder)
  return holder and holder ~= '' and
    call('ZSCORE', 'taskyard:lease:' .. queue, id .. ':' .. holder)
end

-- The ledger has never heard of a stock client's job: its first event brings the row.
local function add_row(facts, values)
  local n = #facts
  for i = DESCRIPTION, FIRST_MARK do
    local value = values[i]
    if value and i ~= TASK then
      facts[n + 1], facts[n + 2] = ROW[i], value
      n = n + 2
    end
  end
end

local function next_number(text)
  if not text then return '1' end
  if not tonumber(text) then error('a count of the job is no number: ' .. text) end
  return texts[tonumber(text) + 1]
end

local function answer(id, execution, queue, attempt, values)
  local said = {id, execution, queue, tonumber(attempt), unpack(values, TASK, LAST_ANSWERED)}
  for i = FIRST_MARK, #WANTED do
    if values[i] and values[i] ~= '' then  -- RQ writes '' for no callback
      said[#said + 1] = call('HMGET', job_key(id), unpack(RARE))
      break
    end
  end
  return said
end

local function is_suspect(values)
  local told = runs_solo and values[DEATHS]
  return told and #deaths_in(told) >= SUSPECT_AFTER
end

local function start(id, queue, execution, values)
  local key, member = job_key(id), id .. ':' .. execution
  local attempt = next_number(values[ATTEMPTS])
  local seq = values[SEQ] and next_number(values[SEQ]) or first_seq
  if is_suspect(values) then call('HSET', key, 'ty:solo', execution) end
  call('HSET', key, 'status', 'started', 'started_at', now_iso,
    'last_heartbeat', now_iso, 'worker_name', worker, 'ty:exec', execution,
    'ty:attempts', attempt, 'ty:seq', seq)
  if values[PROGRESS] then call('HDEL', key, 'ty:progress') end
  call('PERSIST', key)
  local hash, index = 'rq:execution:' .. member, 'rq:executions:' .. id
  call('HSET', hash, 'id', execution, 'created_at', now_text,
    'last_heartbeat', now_text, 'worker_name', worker)
  call('EXPIRE', hash, ARGV[4])
  call('ZADD', index, executions_until, execution)
  call('EXPIRE', index, executions_for)
  local facts = {'queue', queue, 'exec', execution, 'worker', worker, 'host', host,
    'attempt', attempt}
  if not values[SEQ] then add_row(facts, values) end
  emit(id, 'started', 'started', facts, seq)
  taken[#taken + 1] = answer(id, execution, queue, attempt, values)
end

local function kind_of(values)
  if is_suspect(values) then return 'sync' end
  local kind = values[KIND]
  if kind then return kind == 'async' and 'async' or 'sync' end
  local path = string.match(values[DESCRIPTION] or '', '^[^(]*')
  return coroutines[path] and 'async' or 'sync'
end

-- A start that broke off half-way has no lease: it must not look like a lost worker.
local function fail_broken(id, queue, values, problem)
  call('ZADD', 'rq:failed:' .. queue, now + 31536000, id)
  redis.pcall('HSET', job_key(id), 'status', 'failed', 'ty:exec', '')
  local facts = {'queue', queue, 'error', 'BrokenJob',
    'attempt', tonumber(values[ATTEMPTS]) or 0,
    'message', tostring(type(problem) == 'table' and problem.err or problem)}
  -- What is broken may be the count of its events.
  if not pcall(emit, id, 'failed', 'failed', facts) then
    pcall(emit, id, 'failed', 'failed', facts, '1')
  end
end

-- Say why no worker can run an entry whatever it holds; nil where one may.
local function problem_of(id, values)
  if values.err then return 'The key of the job is no hash.' end
  if not string.find(id, '[\128-\255]') then return nil end
  local rest = string.gsub(id, '[\194-\244][\128-\191]+', '')
  if string.find(rest, '[\128-\255]') then return 'The id of the job is no text.' end
end

-- The ledger is told of it. RQ's sets are not: its readers fail on such an entry.
local function refuse(id, queue, problem)
  go_on_when_full()
  redis.pcall('HSET', job_key(id), 'status', 'failed')
  emit(id, 'failed', 'failed', {'queue', queue, 'error', 'BrokenJob', 'message', problem}, '1')
end

-- An entry to be dropped: no job at all, canceled, held already, or a job of ours that is
-- not queued (the list names it twice). A stock client's may be in any state here.
local function is_stale(id, queue, values)
  if not (values[STATUS] or values[DATA]) then
    missing[#missing + 1] = id
    return true
  end
  if values[STATUS] == 'canceled' or is_running(id, queue, values[HOLDER]) then return true end
  return values[STATUS] ~= 'queued' and values[TASK] and values[TASK] ~= ''
end

-- Look at the queue's first entries: which may start, which a breaker holds back, how many
-- are to be popped, and the kind of the one that found no slot; '' where it was one lost
-- job too many.
local function look(queue, ids)
  local chosen, seen, aside = {}, {}, {}
  for position, id in ipairs(ids) do
    local values = redis.pcall('HMGET', job_key(id), unpack(WANTED))
    local problem = problem_of(id, values)
    if problem then
      refuse(id, queue, problem)
    elseif not seen[id] and not is_stale(id, queue, values) then
      local breaker = some_are_open and breaker_of(values[TASK], values[DESCRIPTION])
      if breaker and not lets_through(breaker, values[FIRST_MARK]) then
        aside[#aside + 1] = {id, values, breaker}
      else
        local kind = kind_of(values)
        if budget[kind] < 1 then return chosen, aside, position - 1, kind end
        if values[DEATHS] then
          if lost_budget < 1 then return chosen, aside, position - 1, '' end
          lost_budget = lost_budget - 1
        end
        budget[kind] = budget[kind] - 1
        chosen[#chosen + 1] = {id, values}
        if breaker then breaker.lets, breaker.report[2] = 'none', 1 end
      end
      seen[id] = true
    end
  end
  return chosen, aside, #ids
end

-- Put a job where it waits for its slot. It has not begun, so nothing else of it changes.
local function hold_back(id, queue, values, breaker)
  local due = slot_of(breaker)
  local seq = values[SEQ] and next_number(values[SEQ]) or first_seq
  call('ZADD', 'rq:scheduled:' .. queue, due, id)
  call('HSET', job_key(id), 'status', 'scheduled', 'ty:seq', seq, 'ty:held', due .. ' ' .. worker)
  local facts = {'queue', queue, 'due', due}
  if not values[SEQ] then add_row(facts, values) end
  emit(id, 'heldback', 'scheduled', facts, seq)
end

local function hold_all_back(queue, aside)
  for _, job in ipairs(aside) do
    local ok, problem = pcall(hold_back, job[1], queue, job[2], job[3])
    if not ok then fail_broken(job[1], queue, job[2], problem) end
  end
end

-- Start the chosen jobs and take their leases together.
local function start_all(queue, chosen)
  local leases, wips = {}, {}
  for _, job in ipairs(chosen) do
    local execution = ARGV[next_execution]
    local ok, problem = pcall(start, job[1], queue, execution, job[2])
    if ok then
      next_execution = next_execution + 1
      local member, n = job[1] .. ':' .. execution, #leases
      leases[n + 1], leases[n + 2] = lease_until, member
      wips[n + 1], wips[n + 2] = wip_until, member
    else
      fail_broken(job[1], queue, job[2], problem)
    end
  end
  if #leases > 0 then
    call('ZADD', 'taskyard:lease:' .. queue, unpack(leases))
    call('ZADD', 'rq:wip:' .. queue, unpack(wips))
  end
end

-- What an entry named that led to no job: the ledger may know it.
local function note_missing()
  if #missing > 0 then call('SADD', 'taskyard:missing', unpack(missing)) end
  missing = {}
end

local function take(queue)
  local list, dropped = 'rq:queue:' .. queue, 0
  while next_execution <= #ARGV and dropped < MOST_DROPPED do
    -- An error (a table with err) is a key that is no list: the other queues go on.
    local ids = redis.pcall('LRANGE', list, 0, #ARGV - next_execution)
    if ids.err or #ids == 0 then return end
    local chosen, aside, popped, lacking = look(queue, ids)
    if popped > 0 then call('LPOP', list, popped) end
    note_missing()
    dropped = dropped + popped - #chosen + #aside  -- one held back costs twice as much
    hold_all_back(queue, aside)
    start_all(queue, chosen)
    if lacking then
      if lacking ~= '' then
        held[#held + 1] = queue
        held[#held + 1] = lacking
      end
      return
    end
  end
end

local function pause_names()
  local names = {}
  for i = 1, queues do names[i] = 'queue:' .. ARGV[8 + i] end
  return names
end

local pauses = redis.pcall('HMGET', 'taskyard:pauses', unpack(pause_names()))
for i = 1, queues do
  local ends = pauses[i]
  if ends and (ends == '' or (tonumber(ends) or 0) > now) then
    paused[#paused + 1] = ARGV[8 + i]
  else
    take(ARGV[8 + i])
  end
end

if #taken > 0 then
  call('HSET', 'rq:worker:' .. worker, 'state', 'busy', 'current_job', taken[#taken][1])
end
return {0, held, paused, taken, reports}
