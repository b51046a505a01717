-- Say what Redis holds of jobs, and where; changes nothing.
-- Reads: taskyard:lease:<queue>, rq:wip:<queue> (zsets, job:execution -> its end),
--   rq:executions:<job> (zset), taskyard:missing (set), the entry taskyard:witness.
-- ARGV: for each job its id, its queue by the ledger ('' unknown), and an execution whose
--       lease was seen ('' none).
-- Returns for each {status ('' where there is no job), ty:seq, execution, place}. The place
-- is 'held' by a worker, 'aside' in one of the sets of waiting jobs, 'removed' where a delay
-- has no entry in rq-scheduler's set and that was not lost, 'missing' where its entry was
-- dropped because there was no job, else ''. Queues are not searched.

local function is_aside(id, queue)
  return call('ZSCORE', 'rq:scheduler:scheduled_jobs', id)
    or redis.pcall('ZSCORE', 'rq:scheduled:' .. queue, id)
    or redis.pcall('ZSCORE', 'rq:deferred:' .. queue, id)
end

-- A stock worker has no lease; RQ's own heartbeat says how long it is believed.
local function of_stock_worker(id, queue)
  local last = call('ZRANGE', 'rq:executions:' .. id, -1, -1)[1]
  local ends = last and call('ZSCORE', 'rq:wip:' .. queue, id .. ':' .. last)
  return last or '', ends and tonumber(ends) > now and 'held' or ''
end

local function is_leased(id, queue, execution)
  return call('ZSCORE', 'taskyard:lease:' .. queue, id .. ':' .. execution)
end

-- Whether rq-scheduler's set is whole: see witness.py.
local witness = redis.pcall('ZSCORE', 'rq:scheduler:scheduled_jobs', 'taskyard:witness')
local is_whole = tonumber(witness or '') == -1

local function look_for_gone(id, queue, execution)
  local place = ''
  if execution ~= '' and is_leased(id, queue, execution) then place = 'held'
  elseif is_aside(id, queue) then place = 'aside'
  elseif call('SISMEMBER', 'taskyard:missing', id) == 1 then place = 'missing' end
  return {'', '', execution, place}
end

local function look(id, queue, execution)
  local known = redis.pcall('HMGET', job_key(id), 'status', 'ty:seq', 'ty:exec', 'origin', 'data',
    'ty:due')
  if known.err then return {'broken', '', '', ''} end
  if not (known[1] or known[5]) then return look_for_gone(id, queue, execution) end
  local status, held_by, place = known[1] or '?', known[3] or '', ''
  queue = known[4] or queue
  if status == 'started' and held_by == '' then
    held_by, place = of_stock_worker(id, queue)
  elseif status == 'started' then
    place = is_leased(id, queue, held_by) and 'held' or ''
  elseif status ~= 'queued' and is_aside(id, queue) then
    place = 'aside'
  elseif status == 'scheduled' and known[6] and is_whole then
    place = 'removed'
  end
  return {status, known[2] or '', held_by, place}
end

local answers = {}
for n = 1, #ARGV, 3 do
  local ok, answer = pcall(look, ARGV[n], ARGV[n + 1], ARGV[n + 2])
  answers[#answers + 1] = ok and answer or {'broken', '', '', ''}
end
return answers
