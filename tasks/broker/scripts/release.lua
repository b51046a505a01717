-- Release further children of jobs that had more than one settle could take.
-- Also reads: taskyard:releases (set of parents). ARGV: the most children at once.
-- Returns how many parents are left.

local parent = redis.call('SRANDMEMBER', 'taskyard:releases')
if parent then
  if not release(parent, field(parent, 'status'), tonumber(ARGV[1])) then
    redis.call('SREM', 'taskyard:releases', parent)
  end
end
return redis.call('SCARD', 'taskyard:releases')
