-- The second step, and the one that counts: the session at its old key, KEYS[1], ends if it is as it was read, and what is left
-- there says where it went. Without a new handle it ends, and that is all.
local from, number, to, version, deadline = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local whose, generation, until_then = ARGV[9], ARGV[10], tonumber(ARGV[11])
local session, there = load(KEYS[1], from)
if there == number then return { 'ok' } end
if not session or text(session.v) ~= version or text(session.w) ~= deadline or (session.s or '') ~= whose
  or (session.g or '') ~= generation then
  return { 'changed' }
end
redis.call('DEL', KEYS[1])
if to ~= '' then
  redis.call('HSET', KEYS[1], 'q', number, 't', to)
  expire(KEYS[1], until_then)
end
return { 'ok' }
