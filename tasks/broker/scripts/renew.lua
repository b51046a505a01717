-- Renew leases, by Redis' clock. One that is gone comes back only where the job's hash says
-- that this execution holds it still: then the whole key was deleted.
-- KEYS: the lease zset of one queue, and RQ's wip zset of it. ARGV: seconds, then the
-- members job:execution. Returns those that are lost: an RQ client that cancels or deletes
-- a running job says so in its hash.

-- Seconds for which RQ believes that a job runs, as claim.lua is told.
local WIP_FOR = 90

local function is_mine(member)
  local id, execution = string.match(member, '^(.*):([^:]*)$')
  local known = redis.pcall('HMGET', job_key(id), 'status', 'ty:exec')
  return known[1] == 'started' and known[2] == execution
end

local ends = texts[math.floor(now + tonumber(ARGV[1]))]
local scores = redis.call('ZMSCORE', KEYS[1], unpack(ARGV, 2))
local in_wip = redis.call('ZMSCORE', KEYS[2], unpack(ARGV, 2))
local held, back, gone = {}, {}, {}
for i, score in ipairs(scores) do
  if score and in_wip[i] then
    held[#held + 1] = ends
    held[#held + 1] = ARGV[i + 1]
  elseif is_mine(ARGV[i + 1]) then
    back[#back + 1] = ARGV[i + 1]
  else
    gone[#gone + 1] = ARGV[i + 1]
  end
end
if #held > 0 then
  go_on_when_full()
  redis.call('ZADD', KEYS[1], 'XX', unpack(held))
end
for _, member in ipairs(back) do
  go_on_when_full()
  call('ZADD', KEYS[1], ends, member)
  call('ZADD', KEYS[2], 'NX', now + WIP_FOR, member)
end
return gone
