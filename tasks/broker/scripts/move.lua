-- Move jobs that are due into their queues, in the order in which they came due.
-- KEYS: one zset of due jobs (rq-scheduler's, or RQ's rq:scheduled:<queue>).
-- Also writes: rq:queues (set of queue keys), taskyard:unwritten:<job> (text, entries seen
--   once without their job), taskyard:missing (set of those that were dropped). ARGV: the most to move at once.
-- Returns {how many were taken, when the next one is due (Unix seconds, '' for none)}.

local function is_periodic(id)
  -- Stock rq-scheduler keeps its repeating entries here too; they are not ours to run.
  local meta = field(id, 'meta')
  return string.find(meta, 'cron_string', 1, true) or string.find(meta, 'interval', 1, true)
end

-- Seconds after which an entry without a job is looked at once more.
local SECOND_LOOK = 5

-- RQ's enqueue_in and enqueue_at write the due moment first and the job a moment later: an
-- entry without a job may be one that is being written.
local function may_be_unwritten(id)
  go_on_when_full()
  return redis.call('SET', 'taskyard:unwritten:' .. id, '', 'NX', 'EX', 60)
end

-- They also name the parents in the job's hash only, where no parent's end finds them.
local function note_parents(id)
  local key = 'rq:job::' .. id .. ':dependencies'
  if redis.call('EXISTS', key) == 1 then return end
  local ok, parents = pcall(cjson.decode, field(id, 'dependency_ids'))
  if not ok or type(parents) ~= 'table' then return end
  for _, parent in ipairs(parents) do
    redis.call('SADD', key, parent)
    if is_job(parent) then redis.call('SADD', 'rq:job:' .. parent .. ':dependents', id) end
  end
end

local function defer(id, queue, open)
  redis.call('HSET', job_key(id), 'status', 'deferred', 'ty:open', open)
  redis.call('ZADD', 'rq:deferred:' .. queue, now_text, id)
  emit(id, 'released', 'deferred', {'queue', queue})
end

local function move(id)
  local queue, status = field(id, 'origin'), field(id, 'status')
  if queue == '' or status == 'canceled' or status == 'started' then return end
  -- An RQ client had it run early, and knows nothing of this entry.
  if status ~= 'scheduled' and field(id, 'ty:task') ~= '' then return end
  note_parents(id)
  local open = await_parents(id, field(id, 'allow_dependency_failures') == '1')
  redis.call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  redis.call('HDEL', job_key(id), 'ty:due')
  if open > 0 then return defer(id, queue, open) end
  local state = place(id, queue, field(id, 'enqueue_at_front') == '1')
  emit(id, 'released', state, {'queue', queue, 'due', ''})
end

local taken = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_text, 'LIMIT', 0, tonumber(ARGV[1]))) do
  if not is_job(id) and may_be_unwritten(id) then
    redis.call('ZADD', KEYS[1], now + SECOND_LOOK, id)
    taken = taken + 1
  elseif not (is_job(id) and is_periodic(id)) then
    redis.call('ZREM', KEYS[1], id)
    if is_job(id) then pcall(move, id) else call('SADD', 'taskyard:missing', id) end
    taken = taken + 1
  end
end
local first = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now_text, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return {taken, first[2] or ''}
