-- Ends a session: KEYS[1]. Says whether it lived, and far from its subject, whose it was in which generation.
local session, number, kind, other = load(KEYS[1], ARGV[4])
if kind == 'pending' then return { kind, number, other } end
if not session then return { 'unknown' } end
remove(KEYS[1], session)
return { 'ok', session.s or '', session.g or '' }
