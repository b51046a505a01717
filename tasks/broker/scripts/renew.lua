-- Renew leases, by Redis' clock. Never brings back one that is gone.
-- KEYS: the lease zset of one queue, and RQ's wip zset of it. ARGV: seconds, then the
-- members job:execution. Returns the members that are gone from either: an RQ client
-- that cancels or deletes a running job takes it out of wip.

local ends = texts[math.floor(now + tonumber(ARGV[1]))]
local scores = redis.call('ZMSCORE', KEYS[1], unpack(ARGV, 2))
local in_wip = redis.call('ZMSCORE', KEYS[2], unpack(ARGV, 2))
local held, gone = {}, {}
for i, score in ipairs(scores) do
  if score and in_wip[i] then
    held[#held + 1] = ends
    held[#held + 1] = ARGV[i + 1]
  else
    gone[#gone + 1] = ARGV[i + 1]
  end
end
if #held > 0 then redis.call('ZADD', KEYS[1], 'XX', unpack(held)) end
return gone
