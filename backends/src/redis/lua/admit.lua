-- At the subject, for a session that is elsewhere: KEYS are its generation and its list. Whether a session of a generation is
-- still the subject's; and if a deadline is given, a place on the list until then, for it or for what it will be.
local handle, generation, deadline, listed = ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
if generation ~= '' and not belongs(KEYS[1], handle, generation) then return { 'revoked' } end
if deadline == 0 then return { 'ok', generation } end
return { 'ok', attach(KEYS[1], KEYS[2], listed, deadline) }
