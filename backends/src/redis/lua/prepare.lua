-- The first step of a rotate between two servers: the session as it will be, at its new key, KEYS[1], where nobody sees it yet.
local to, number, from = ARGV[4], ARGV[5], ARGV[6]
local before = { v = tonumber(ARGV[7]), i = tonumber(ARGV[9]), w = tonumber(ARGV[10]), a = tonumber(ARGV[11]) }
local created, whose, generation = ARGV[8], ARGV[12], ARGV[13]
local ask, change, subject, data, id = asked(14), ARGV[20], ARGV[21], ARGV[22], ARGV[23]
local ready, ready_generation, held = ARGV[24], ARGV[25], tonumber(ARGV[26])

local there, other_number, kind, other = load(KEYS[1], to)
if other_number == number then
  local found = redis.call('HMGET', KEYS[1], 'v', 'w')
  return { 'ok', found[1], found[2] }
end
if other_number then return { kind, other_number, other } end
if there then return { 'there', there.s or '', there.g or '' } end
local term = terms(ask, before, 0, 0)
local next = text(version_after(before))
if term.deadline <= now then return { 'over', next } end
local after_it = change == 'keep' and whose ~= '' and whose or change == 'set' and subject or nil
if after_it and not (ready == after_it and held >= term.deadline) then
  local same = after_it == whose
  return { 'ask', same and whose or '', same and generation or '', after_it, text(term.deadline) }
end
write(KEYS[1], next, created, text(now), term, after_it, ready_generation, data, id)
redis.call('HSET', KEYS[1], 'q', number, 'p', from)
return { 'ok', next, text(term.deadline) }
