-- Write a worker's entry as RQ does, anew each time: Redis may have lost it. When it did so
-- is noted by Redis' clock (ty:seen), which tells whether the worker's own is right; so is
-- since when one process has the name (ty:since): the next may have it at once.
-- Also writes: rq:workers (set of workers' keys), rq:workers:<queue> (sets of the same).
-- KEYS: rq:worker:<name> (hash). ARGV: seconds that it is kept, number of fields to
-- remove, these, number of queues, these, then fields and values.

local key, gone = KEYS[1], tonumber(ARGV[2])
local queues = tonumber(ARGV[3 + gone])
local first = 4 + gone + queues

local function is_another(birth) return call('HGET', key, 'birth') ~= birth end

go_on_when_full()
if gone > 0 then call('HDEL', key, unpack(ARGV, 3, 2 + gone)) end
for n = first, #ARGV, 2 do
  if ARGV[n] == 'birth' and is_another(ARGV[n + 1]) then call('HSET', key, 'ty:since', now_text) end
end
call('HSET', key, 'ty:seen', now_text, unpack(ARGV, first))
call('EXPIRE', key, ARGV[1])
call('SADD', 'rq:workers', key)
for n = 4 + gone, 3 + gone + queues do call('SADD', 'rq:workers:' .. ARGV[n], key) end
return 1
