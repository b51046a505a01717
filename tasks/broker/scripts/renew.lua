-- Renew leases, by Redis' clock. Never brings back one that is gone.
-- KEYS: the lease zset of one queue. ARGV: seconds, then the members job:execution.
-- Returns the members whose lease is gone.

local until_ = now + tonumber(ARGV[1])
local gone = {}
for i = 2, #ARGV do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    redis.call('ZADD', KEYS[1], 'XX', until_, ARGV[i])
  else
    gone[#gone + 1] = ARGV[i]
  end
end
return gone
