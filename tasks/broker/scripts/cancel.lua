-- Take a job that has not begun out of where it waits.
-- Also writes: rq:canceled:<queue> (zset, job -> when).
-- ARGV: id, who. Returns {1 if it was canceled else 0, the state it was in}.

-- How far from either end of its queue an entry is looked for. One of ours in the middle
-- of a longer queue stays until its turn, when the claim drops it.
local REACH = 10000

local id, who = ARGV[1], ARGV[2]
local key = job_key(id)
if not is_job(id) then return {0, ''} end
local status, queue = field(id, 'status'), field(id, 'origin')

local function take_out(list)
  for _, way in ipairs({1, -1}) do
    if redis.call('LPOS', list, id, 'RANK', way, 'MAXLEN', REACH) then
      redis.call('LREM', list, way, id)
      return
    end
  end
  if field(id, 'ty:task') == '' then redis.call('LREM', list, 0, id) end
end

go_on_when_full()
if status == 'queued' then
  take_out('rq:queue:' .. queue)
elseif status == 'scheduled' then
  redis.call('ZREM', 'rq:scheduler:scheduled_jobs', id)
  redis.call('ZREM', 'rq:scheduled:' .. queue, id)
elseif status == 'deferred' then
  redis.call('ZREM', 'rq:deferred:' .. queue, id)
elseif status ~= 'created' then
  return {0, status}
end
redis.call('HSET', key, 'status', 'canceled', 'ended_at', now_iso)
redis.call('ZADD', 'rq:canceled:' .. queue, now_text, id)
emit(id, 'canceled', 'canceled', {'queue', queue, 'by', who})
release(id, 'canceled', 50)
return {1, status}
