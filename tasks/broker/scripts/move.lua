-- Move jobs that are due into their queues, in the order in which they came due.
-- KEYS: one zset of due jobs (rq-scheduler's, or RQ's rq:scheduled:<queue>).
-- Also writes: rq:queues (set of queue keys). ARGV: the most to move at once.
-- Returns {how many were taken, when the next one is due (Unix seconds, '' for none)}.

local function is_periodic(id)
  -- Stock rq-scheduler keeps its repeating entries here too; they are not ours to run.
  local meta = field(id, 'meta')
  return string.find(meta, 'cron_string', 1, true) or string.find(meta, 'interval', 1, true)
end

local function defer(id, queue, open)
  redis.call('HSET', job_key(id), 'status', 'deferred', 'ty:open', open)
  redis.call('ZADD', 'rq:deferred:' .. queue, now_text, id)
  emit(id, 'released', 'deferred', {'queue', queue})
end

local function move(id)
  local queue, status = field(id, 'origin'), field(id, 'status')
  if queue == '' or status == 'canceled' or status == 'started' then return end
  local open = count_open(id, field(id, 'allow_dependency_failures') == '1')
  redis.call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  redis.call('HDEL', job_key(id), 'ty:due')
  if open > 0 then return defer(id, queue, open) end
  local state = place(id, queue, field(id, 'enqueue_at_front') == '1')
  emit(id, 'released', state, {'queue', queue, 'due', ''})
end

local taken = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_text, 'LIMIT', 0, tonumber(ARGV[1]))) do
  if not (is_job(id) and is_periodic(id)) then
    redis.call('ZREM', KEYS[1], id)
    if is_job(id) then pcall(move, id) end
    taken = taken + 1
  end
end
local first = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now_text, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return {taken, first[2] or ''}
