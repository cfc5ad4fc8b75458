-- Gives a session another id, where both keys are here: from KEYS[1] to KEYS[2].
local from, to, with_write = ARGV[4], ARGV[5], ARGV[6] == '1'
local ask, change, subject, data, id = asked(7), ARGV[13], ARGV[14], ARGV[15], ARGV[16]

local before = load(KEYS[1], from)
local there = load(KEYS[2], to)
if not before then
  if there and there.n == writer then return { 'ok', text(there.v) } end
  return { 'unknown' }
end
if there then return { 'duplicate' } end
-- Whoever clears walks from key to key, and must not be walked around.
if redis.call('EXISTS', prefix .. ':clearing') == 1 then
  remove(KEYS[1], before)
  return { 'unknown' }
end
local term = terms(ask, before, 0, 0)
local next = version_after(before)
if not with_write then data = redis.call('HGET', KEYS[1], 'd') end
remove(KEYS[1], before)
if term.deadline <= now then return { 'ok', text(next) } end
local whose = change == 'keep' and before.s or change == 'set' and subject or nil
local generation = whose and attach(generation_key(whose), index_key(whose), to, term.deadline)
write(KEYS[2], next, before.c, text(now), term, whose, generation, data, id)
return { 'ok', text(next) }
