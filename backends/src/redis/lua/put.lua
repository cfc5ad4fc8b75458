-- Writes a session: KEYS[1]. What must be there: absent, present, anything, at a version; adopt is absent, and the
-- times are the session's own.
local handle, expect, version = ARGV[4], ARGV[5], ARGV[6]
local ask, default_idle, default_absolute = asked(7), tonumber(ARGV[13]), tonumber(ARGV[14])
local change, subject, data, id = ARGV[15], ARGV[16], ARGV[17], ARGV[18]
local created, used = ARGV[19], ARGV[20]
-- Far from the subject: what the caller has made sure of there. Whose the session is now, in which generation; whose it
-- will be, in which generation, held until when.
local seen, seen_generation, ready, ready_generation, held = ARGV[21], ARGV[22], ARGV[23], ARGV[24], tonumber(ARGV[25])

local before, number, kind, other = load(KEYS[1], handle)
if number and (kind == 'pending' or expect ~= 'present' and expect ~= 'at') then return { kind, number, other } end
local sure = near or not (before and before.s) or (before.s == seen and before.g == seen_generation)
if sure and before and before.n == writer then return { 'ok', text(before.v) } end
if sure and before and (expect == 'absent' or expect == 'adopt') then return { 'duplicate' } end
if not before and (expect == 'present' or expect == 'at') then return { number and 'ended' or 'unknown' } end
if sure and expect == 'at' and text(before.v) ~= version then return { 'conflict', text(before.v) } end

local term = terms(ask, before, default_idle, default_absolute)
local after_it = change == 'keep' and (before and before.s) or change == 'set' and subject or nil
if expect == 'adopt' and term.deadline <= now then return { 'expired' } end
if sure and term.deadline <= now then
  if before then remove(KEYS[1], before) end
  return { 'ok', text(version_after(before)), before and before.s or '' }
end
local generation = ready_generation
if after_it and near then
  generation = attach(generation_key(after_it), index_key(after_it), handle, term.deadline)
elseif not sure or (after_it and not (ready == after_it and held >= term.deadline)) then
  -- Whoever finds that somebody is there will not need a place on the list.
  local wanted = (sure or expect ~= 'absent' and expect ~= 'adopt') and after_it or ''
  return { 'ask', before and before.s or '', before and before.g or '', wanted, text(term.deadline) }
end
local left = before and before.s and before.s ~= after_it and before.s or ''
if near and left ~= '' then detach(left, handle) end
local next = version_after(before)
write(KEYS[1], next, created ~= '' and created or before and before.c or text(now), used ~= '' and used or text(now),
  term, after_it, generation, data, id)
return { 'ok', text(next), left }
