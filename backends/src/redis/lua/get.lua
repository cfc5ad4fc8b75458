-- Reads a session: KEYS[1].
local session, number, kind, other = load(KEYS[1], ARGV[4])
if kind == 'pending' then return { kind, number, other } end
if not session then return { 'unknown' } end
local found = redis.call('HMGET', KEYS[1], 'd', 'k')
return {
  'ok', text(session.v), session.c, session.u, text(session.i), text(session.w), text(session.a),
  session.s or '', session.g or '', found[1], found[2] or '',
}
