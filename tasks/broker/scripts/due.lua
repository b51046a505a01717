-- Taking due entries out of their sets; put before move.lua and overtake.lua. It takes no
-- KEYS: the sets are rq-scheduler's, and RQ's of each queue.
--
-- Also writes: rq:queues (set of queue keys), taskyard:unwritten:<job> (text, entries seen
--   once without their job), taskyard:missing (set of those that were dropped),
--   taskyard:periodic (zset, the entries of rq-scheduler's set that come again and again,
--   and their scores there: they are held, for cron strings and intervals are no jobs).

local DELAYED, PERIODIC = 'rq:scheduler:scheduled_jobs', 'taskyard:periodic'

local WANTED = {'origin', 'status', 'ty:task', 'ty:seq', 'ty:due', 'enqueue_at_front', 'meta',
  'dependency_ids', 'allow_dependency_failures'}
local ORIGIN, STATUS, TASK, SEQ, DUE, AT_FRONT, META, PARENTS, ALLOW = 1, 2, 3, 4, 5, 6, 7, 8, 9

-- Seconds after which an entry without a job is looked at once more.
local SECOND_LOOK = 5

-- What is taken out of the set at hand, and the queues that get something: the ids for
-- their ends.
local gone, rows = {}, {}

local function entry_at(set, rank)
  local found = redis.pcall('ZRANGE', set, rank, rank, 'WITHSCORES')
  return found[1], tonumber(found[2])
end

-- The number of entries at the head of rq-scheduler's set that are known to be periodic, so
-- that they are passed by: up to there both sets are the same.
local function held_at_head()
  local low, high = 0, call('ZCARD', PERIODIC)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local id, score = entry_at(DELAYED, middle)
    local held, held_score = entry_at(PERIODIC, middle)
    if id == held and score == held_score then low = middle + 1 else high = middle end
  end
  return low
end

-- Note a periodic entry that has come to `rank`. Where another one is noted there, a client
-- may have removed that from rq-scheduler's set, or moved it.
local function hold(rank, id, score)
  local other, other_score = entry_at(PERIODIC, rank)
  call('ZADD', PERIODIC, score, id)
  if other and other ~= id and tonumber(call('ZSCORE', DELAYED, other) or '') ~= other_score then
    call('ZREM', PERIODIC, other)
  end
end

-- RQ's enqueue_in and enqueue_at write the due moment first and the job a moment later: an
-- entry without a job may be one that is being written.
local function may_be_unwritten(id)
  return call('SET', 'taskyard:unwritten:' .. id, '', 'NX', 'EX', 60)
end

-- They also name the parents in the job's hash only, where no parent's end finds them.
local function note_parents(id, dependency_ids)
  local key = 'rq:job::' .. id .. ':dependencies'
  if call('EXISTS', key) == 1 then return end
  local ok, parents = pcall(cjson.decode, dependency_ids)
  if not ok or type(parents) ~= 'table' then return end
  for _, parent in ipairs(parents) do
    call('SADD', key, parent)
    if is_job(parent) then call('SADD', 'rq:job:' .. parent .. ':dependents', id) end
  end
end

local function defer(id, queue, open)
  call('HSET', job_key(id), 'status', 'deferred', 'ty:open', open)
  call('ZADD', 'rq:deferred:' .. queue, now_text, id)
  emit(id, 'released', 'deferred', {'queue', queue})
end

local function queue_up(id, queue, known)
  -- What is no number is found out by the claim.
  local seq = known[SEQ] and tonumber(known[SEQ])
  local key = job_key(id)
  if known[AT_FRONT] == '1' then
    call('LPUSH', 'rq:queue:' .. queue, id)
  else
    local row = rows[queue]
    row[#row + 1] = id
  end
  if not seq then
    call('HSET', key, 'status', 'queued', 'enqueued_at', now_iso)
    return emit(id, 'released', 'queued', {'queue', queue, 'due', ''})
  end
  seq = texts[seq + 1]
  call('HSET', key, 'status', 'queued', 'enqueued_at', now_iso, 'ty:seq', seq)
  call('XADD', 'taskyard:events', '*', 'id', id, 'seq', seq, 'kind', 'released',
    'state', 'queued', 'at', now_text, 'queue', queue, 'due', '')
end

local function release_due(id, known)
  local queue, status = known[ORIGIN] or '', known[STATUS] or ''
  if queue == '' or status == 'canceled' or status == 'started' then return end
  -- An RQ client had it run early, and knows nothing of this entry.
  if status ~= 'scheduled' and (known[TASK] or '') ~= '' then return end
  rows[queue] = rows[queue] or {}
  -- Only where that is still to come would it be put aside once more.
  if known[DUE] and (tonumber(known[DUE]) or 0) > now then call('HDEL', job_key(id), 'ty:due') end
  local open = 0
  if known[PARENTS] then
    note_parents(id, known[PARENTS])
    open = await_parents(id, known[ALLOW] == '1')
  end
  if open > 0 then return defer(id, queue, open) end
  queue_up(id, queue, known)
end

-- Metas that may say of an entry that it comes again and again are judged outside, where they
-- can be read: see metas.py. Those that were are known by their SHA-1 to be '1' or '0'.
local judged, asked, is_asked = {}, {}, {}

local function ask_about(meta, digest)
  if not is_asked[digest] then asked[#asked + 1] = meta end
  is_asked[digest] = true
end

-- Whether an entry is periodic; nil where that must be judged before.
local function is_periodic(set, known)
  if set ~= DELAYED or (known[TASK] or '') ~= '' or not known[META] then return false end
  local meta = known[META]
  if not (string.find(meta, 'interval', 1, true) or string.find(meta, 'cron_string', 1, true)
    or string.find(meta, '\\u', 1, true)) then return false end
  local digest = redis.sha1hex(meta)
  if judged[digest] then return judged[digest] == '1' end
  ask_about(meta, digest)
end

-- Take an entry, its job to where that goes. Returns 'taken', 'periodic', or 'asked' where it
-- is to be judged, or comes after one that is; then it stays. What is taken is written by
-- `flush`.
local function take(set, id)
  local known = redis.pcall('HMGET', job_key(id), unpack(WANTED))
  local is_there = not known.err and (known[ORIGIN] or is_job(id))
  local periodic = is_there and is_periodic(set, known)
  if periodic then return 'periodic' end
  if set == DELAYED and #asked > 0 then return 'asked' end
  if not is_there and may_be_unwritten(id) then
    call('ZADD', set, now + SECOND_LOOK, id)
    return 'taken'
  end
  gone[#gone + 1] = id
  if is_there then pcall(release_due, id, known) else call('SADD', 'taskyard:missing', id) end
  return 'taken'
end

local function flush(set)
  if #gone > 0 then
    call('ZREM', set, unpack(gone))
    if set == DELAYED then call('ZREM', PERIODIC, unpack(gone)) end
  end
  for queue, ids in pairs(rows) do
    call('SADD', 'rq:queues', 'rq:queue:' .. queue)
    if #ids > 0 then redis.pcall('RPUSH', 'rq:queue:' .. queue, unpack(ids)) end
  end
  gone, rows = {}, {}
end
