-- Put one job right that is not where it should be, or of which the ledger has not heard,
-- unless it has changed since it was looked at.
-- Also writes: rq:queues (set of queue keys), rq:queue:<queue>:intermediate (list, what
--   stock workers took and have not started), taskyard:lease:<queue>, rq:wip:<queue>
--   (zsets, job:execution -> its end), rq:canceled:<queue> (zset, job -> when),
--   rq:execution:<job>:<execution> (hash), rq:executions:<job> (zset).
-- ARGV: verb, id, its status and its ty:seq as they were seen, the ledger's number of its
--       last event, an argument of the verb, then names and values for the event.
-- Verbs: queue (it is in no list), aside (its set is gone; when it is due), lose (nobody
--   holds it; the execution), cancel, forget (Redis came back with an older state of it;
--   the execution), adopt (the ledger has never heard of it), tell (the event's kind).
-- Returns 1 if that was done else 0.

-- How far from either end of the queue an entry is looked for: one that came since, or that
-- moved while the queue was read. A second entry of ours would be dropped by the claim; a
-- stock client's job would run twice.
local REACH, REACH_OF_STOCK = 1000, 20000

local verb, id, status, seen_seq = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local floor, argument = tonumber(ARGV[5]), ARGV[6]
local key = job_key(id)
local known = redis.pcall('HMGET', key, 'status', 'ty:seq', 'origin', 'ty:due', 'ty:task')
if known.err or (known[1] or '?') ~= status or (known[2] or '') ~= seen_seq then return 0 end
local queue = known[3] or 'default'
local seq = math.max(tonumber(known[2]) or 0, floor)

local function next_seq()
  call('HSET', key, 'ty:seq', texts[seq + 1])
  return texts[seq + 1]
end

local function due()
  return call('ZSCORE', 'rq:scheduler:scheduled_jobs', id)
    or call('ZSCORE', 'rq:scheduled:' .. queue, id) or ''
end

local mend = {}

function mend.queue()
  local list, reach = 'rq:queue:' .. queue, known[5] and REACH or REACH_OF_STOCK
  for _, way in ipairs({1, -1}) do
    if call('LPOS', list, id, 'RANK', way, 'MAXLEN', reach) then return 0 end
  end
  call('SADD', 'rq:queues', list)
  -- A stock worker that died with it: RQ would fail the job for that, whatever became of it.
  call('LREM', list .. ':intermediate', 0, id)
  call('RPUSH', list, id)
  emit(id, 'released', 'queued', {'queue', queue}, next_seq())
end

function mend.aside()
  local set = known[4] and 'rq:scheduler:scheduled_jobs' or 'rq:scheduled:' .. queue
  call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  call('ZADD', set, 'NX', argument, id)
  emit(id, 'released', 'scheduled', {'queue', queue, 'due', argument}, next_seq())
end

-- The sweep does what the task wishes for a job whose worker is lost.
function mend.lose()
  call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  call('HSET', key, 'ty:exec', argument, 'ty:seq', texts[seq])
  call('ZADD', 'taskyard:lease:' .. queue, 'NX', now_text, id .. ':' .. argument)
end

function mend.cancel()
  call('HSET', key, 'status', 'canceled', 'ended_at', now_iso)
  call('ZADD', 'rq:canceled:' .. queue, now_text, id)
  emit(id, 'removed', 'canceled', {'queue', queue, unpack(ARGV, 7)}, next_seq())
  release(id, 'canceled', 50)
end

function mend.forget()
  call('DEL', key, 'rq:job::' .. id .. ':dependencies', 'rq:executions:' .. id,
    'rq:execution:' .. id .. ':' .. argument)
  for _, set in ipairs({'taskyard:lease:' .. queue, 'rq:wip:' .. queue}) do
    call('ZREM', set, id .. ':' .. argument)
  end
  for _, set in ipairs({'rq:scheduler:scheduled_jobs', 'rq:scheduled:' .. queue, 'rq:deferred:' .. queue}) do
    call('ZREM', set, id)
  end
end

function mend.adopt()
  local facts = {'queue', queue, 'due', due()}
  add_submission(facts, id)
  -- Past the events of any earlier job that had its id.
  seq = math.max(seq, tonumber(first_seq))
  emit(id, 'pushed', status, facts, next_seq())
end

-- A moment that the facts name comes after that of the event, and stands.
function mend.tell()
  emit(id, argument, status, {'queue', queue, 'due', due(), unpack(ARGV, 7)}, next_seq())
end

go_on_when_full()
return mend[verb]() or 1
