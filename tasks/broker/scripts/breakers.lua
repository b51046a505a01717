-- The open circuit breakers of a worker, as its claim is told of them; put before claim.lua.
--
-- ARGV: of each breaker SIZE values: task, dotted path, seconds until its first slot, until
--       the others, and between two, which one job may run all the same ('none', 'any',
--       or one that has a 'retry' left), and seconds until that may be any.
-- A job is known by its task; where the call names that, RQ's description does. A stock
-- client's job that has another description is not known, and runs.

local SIZE = 7

-- By the names that their tasks have in jobs, and for each, in order, how many jobs it held
-- back and whether it let one through (1 or 0).
local breakers, reports = {}, {}

-- Read their number at an argument, and them; returns where the next argument is.
local function read_breakers(at)
  for n = 1, tonumber(ARGV[at]) do
    local name, path, first, others, step, lets, later =
      unpack(ARGV, at + 1 + (n - 1) * SIZE, at + n * SIZE)
    reports[n] = {0, 0}
    breakers[name] = {first = now + tonumber(first), slot = now + tonumber(first),
      others = now + tonumber(others), step = tonumber(step), lets = lets,
      later = now + tonumber(later), report = reports[n]}
    breakers[path] = breakers[name]
  end
  return at + 1 + SIZE * #reports
end

local function breaker_of(task, description)
  if task and task ~= '' and task ~= '=' then return breakers[task] end
  return breakers[string.match(description or '', '^[^(]*')]
end

local function lets_through(breaker, retries_left)
  if breaker.lets ~= 'retry' then return breaker.lets == 'any' end
  return (tonumber(retries_left) or 0) > 0
end

-- Take the next slot. Where only a job with a retry left may run, and none came so far, the
-- others wait until any may.
local function slot_of(breaker)
  local slot = breaker.slot
  breaker.slot = math.max(slot + breaker.step, breaker.others)
  breaker.report[1] = breaker.report[1] + 1
  if breaker.lets == 'retry' then
    slot = math.max(slot, breaker.later + slot - breaker.first)
  end
  return string.format('%.3f', slot)
end
