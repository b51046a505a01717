-- Write the hash of a job that a worker runs, and that is gone; its lease says who has it.
-- Also reads: taskyard:lease:<queue> (zset, job:execution -> its end). Also writes:
--   taskyard:missing (set of jobs that were gone).
-- ARGV: id, queue, execution, then the fields and values of the hash.
-- Returns 1 if that was done else 0.

local id, queue, execution = ARGV[1], ARGV[2], ARGV[3]
local key = job_key(id)
if call('EXISTS', key) == 1 then return 0 end
if not call('ZSCORE', 'taskyard:lease:' .. queue, id .. ':' .. execution) then return 0 end
go_on_when_full()
call('HSET', key, 'status', 'started', 'ty:exec', execution, 'started_at', now_iso,
  'last_heartbeat', now_iso, unpack(ARGV, 4))
call('SREM', 'taskyard:missing', id)
return 1
