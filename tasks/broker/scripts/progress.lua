-- Note how far a running job is, unless it is gone or another attempt holds it.
-- ARGV: id, execution, progress as JSON.

if is_job(ARGV[1]) and field(ARGV[1], 'ty:exec') == ARGV[2] then
  go_on_when_full()
  redis.call('HSET', job_key(ARGV[1]), 'ty:progress', ARGV[3])
  return 1
end
return 0
