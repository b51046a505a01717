-- Run plain commands in order and as one, also when the memory is full: small facts that
-- others must learn even then. ARGV: for each command how many words it has, and these.
-- Returns their answers.

go_on_when_full()
local answers, at = {}, 1
while at <= #ARGV do
  local words = tonumber(ARGV[at])
  answers[#answers + 1] = call(unpack(ARGV, at + 1, at + words))
  at = at + 1 + words
end
return answers
