-- A set of sessions: one schema, in place of {schema}. Times are milliseconds; 2^44 - 1 is never. What a call does is one
-- function, so each is one statement to the caller and one transaction here, and time is the server's.

CREATE TABLE {schema}.home (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    secret bytea NOT NULL CHECK (length(secret) = 32)
);

-- Versions of all sessions come from here, so none is ever given out twice.
CREATE SEQUENCE {schema}.versions;

-- No index knows the deadline: a touch within one stretch of `sweep` (2^18 ms, some four minutes) changes no index, and leaves
-- no more behind than a row in its page, which the next one takes. Hence the room there.
CREATE TABLE {schema}.sessions (
    handle bytea PRIMARY KEY,
    version bigint NOT NULL,
    created bigint NOT NULL,
    used bigint NOT NULL,
    idle bigint NOT NULL,
    deadline bigint NOT NULL,
    absolute bigint NOT NULL,
    sweep bigint NOT NULL,
    subject bytea,
    id bytea,
    data bytea NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX sessions_sweep ON {schema}.sessions (sweep);
CREATE INDEX sessions_subject ON {schema}.sessions (subject) WHERE subject IS NOT NULL;

CREATE FUNCTION {schema}.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

CREATE FUNCTION {schema}.after(now_ms bigint, lifetime bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT CASE WHEN lifetime >= 17592186044415 THEN 17592186044415 ELSE least(now_ms + lifetime, 17592186044414) END $$;

CREATE FUNCTION {schema}.sweep_of(deadline bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT (deadline >> 18) + 1 $$;

-- Whether it is later than the caller waits. If not, nothing waits here for a lock for longer than he does.
CREATE FUNCTION {schema}.is_late(latest bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    left_ms bigint := latest - {schema}.now_ms();
BEGIN
    IF left_ms > 0 THEN
        PERFORM set_config('lock_timeout', least(left_ms, 2147483647)::text, true);
    END IF;
    RETURN left_ms <= 0;
END $$;

-- What a write says. Idle is so long ('f'), until ('u'), or has begun elsewhere ('b'); absolute is so long or until; either may
-- be left open ('').
CREATE TYPE {schema}.ask AS (
    idle text, lifetime bigint, deadline bigint, absolute text, upto bigint, shorten boolean,
    default_idle bigint, default_absolute bigint
);

CREATE TYPE {schema}.terms AS (deadline bigint, absolute bigint, idle bigint);

-- The deadlines that a write comes to; before is a live session, or null.
CREATE FUNCTION {schema}.terms_after(ask {schema}.ask, before {schema}.sessions, now_ms bigint)
RETURNS {schema}.terms LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    own bigint := coalesce(before.idle, ask.default_idle);
    next bigint;
    upto bigint;
    term {schema}.terms;
BEGIN
    term.idle := CASE ask.idle WHEN '' THEN own ELSE ask.lifetime END;
    next := CASE WHEN ask.idle IN ('', 'f') THEN {schema}.after(now_ms, term.idle) ELSE ask.deadline END;
    IF ask.idle = 'u' THEN
        term.idle := greatest(next - now_ms, 0);
    END IF;
    upto := CASE ask.absolute WHEN 'f' THEN {schema}.after(now_ms, ask.upto) WHEN 'u' THEN ask.upto END;
    -- `least` passes over what is null.
    term.absolute := CASE
        WHEN before.handle IS NOT NULL THEN least(before.absolute, upto)
        ELSE coalesce(upto, {schema}.after(now_ms, ask.default_absolute))
    END;
    IF before.handle IS NOT NULL AND NOT ask.shorten AND NOT (ask.idle = 'u' AND next <= now_ms) THEN
        next := greatest(next, before.deadline);
    END IF;
    term.deadline := least(next, term.absolute);
    RETURN term;
END $$;

-- Writes a session. What must be there: absent, present, any, at a version; adopt is absent, and the times are the session's own.
-- latest is until when the caller waits: what comes later, out of the buffers of a network that is back, or has waited here for
-- longer, is not done; the answer is then how late it is.
CREATE FUNCTION {schema}.put(
    its_handle bytea, expect text, at_version bigint, ask {schema}.ask, change text, its_subject bytea, its_id bytea,
    its_data bytea, its_created bigint, its_used bigint, latest bigint, OUT outcome text, OUT its_version bigint
) LANGUAGE plpgsql AS $$
DECLARE
    before {schema}.sessions;
    now_ms bigint;
    term {schema}.terms;
    whose bytea;
BEGIN
    LOOP
        IF NOT {schema}.is_late(latest) THEN
            SELECT * INTO before FROM {schema}.sessions WHERE handle = its_handle FOR UPDATE;
        END IF;
        now_ms := {schema}.now_ms();
        IF now_ms >= latest THEN
            outcome := 'late';
            its_version := now_ms;
            RETURN;
        END IF;
        IF before.deadline <= now_ms THEN
            DELETE FROM {schema}.sessions WHERE handle = its_handle;
            before := NULL;
        END IF;
        outcome := CASE
            WHEN before.handle IS NULL AND expect IN ('present', 'at') THEN 'unknown'
            WHEN before.handle IS NOT NULL AND expect IN ('absent', 'adopt') THEN 'duplicate'
            WHEN expect = 'at' AND before.version <> at_version THEN 'conflict'
            ELSE 'ok'
        END;
        its_version := before.version;
        IF outcome <> 'ok' THEN
            RETURN;
        END IF;
        term := {schema}.terms_after(ask, before, now_ms);
        IF expect = 'adopt' AND term.deadline <= now_ms THEN
            outcome := 'expired';
            RETURN;
        END IF;
        its_version := nextval('{schema}.versions');
        IF term.deadline <= now_ms THEN
            DELETE FROM {schema}.sessions WHERE handle = its_handle;
            RETURN;
        END IF;
        whose := CASE change WHEN 'keep' THEN before.subject WHEN 'set' THEN its_subject END;
        IF before.handle IS NOT NULL THEN
            UPDATE {schema}.sessions SET version = its_version, used = now_ms, idle = term.idle,
                deadline = term.deadline, absolute = term.absolute, sweep = {schema}.sweep_of(term.deadline),
                subject = whose, id = coalesce(its_id, id), data = its_data
            WHERE handle = its_handle;
            RETURN;
        END IF;
        INSERT INTO {schema}.sessions VALUES (
            its_handle, its_version, coalesce(its_created, now_ms), coalesce(its_used, now_ms), term.idle, term.deadline,
            term.absolute, {schema}.sweep_of(term.deadline), whose, its_id, its_data
        ) ON CONFLICT (handle) DO NOTHING;
        -- Otherwise somebody was faster: then look again.
        IF FOUND THEN
            IF {schema}.is_late(latest) THEN
                RAISE lock_not_available;
            END IF;
            RETURN;
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION {schema}.touch(its_handle bytea, lifetime bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    before {schema}.sessions;
    now_ms bigint;
    next bigint;
BEGIN
    SELECT * INTO before FROM {schema}.sessions WHERE handle = its_handle FOR UPDATE;
    now_ms := {schema}.now_ms();
    IF before.handle IS NULL OR before.deadline <= now_ms THEN
        RETURN false;
    END IF;
    next := greatest(least({schema}.after(now_ms, lifetime), before.absolute), before.deadline);
    UPDATE {schema}.sessions SET deadline = next, used = now_ms, sweep = {schema}.sweep_of(next)
    WHERE handle = its_handle;
    RETURN true;
END $$;

-- Gives a session another id. The row stays the same row: whoever waits for it, to end all of a subject, finds it again.
CREATE FUNCTION {schema}.rotate(
    old bytea, new bytea, with_write boolean, ask {schema}.ask, change text, its_subject bytea, its_id bytea, its_data bytea,
    latest bigint, OUT outcome text, OUT its_version bigint
) LANGUAGE plpgsql AS $$
DECLARE
    before {schema}.sessions;
    there {schema}.sessions;
    now_ms bigint;
    term {schema}.terms;
BEGIN
    IF NOT {schema}.is_late(latest) THEN
        -- In one order, so that two who rotate do not wait for each other.
        PERFORM 1 FROM {schema}.sessions WHERE handle IN (old, new) ORDER BY handle FOR UPDATE;
        SELECT * INTO before FROM {schema}.sessions WHERE handle = old FOR UPDATE;
        SELECT * INTO there FROM {schema}.sessions WHERE handle = new FOR UPDATE;
    END IF;
    now_ms := {schema}.now_ms();
    its_version := now_ms;
    outcome := CASE
        WHEN now_ms >= latest THEN 'late'
        WHEN before.handle IS NULL OR before.deadline <= now_ms THEN 'unknown'
        WHEN there.deadline > now_ms THEN 'duplicate'
        ELSE 'ok'
    END;
    IF outcome <> 'ok' THEN
        RETURN;
    END IF;
    term := {schema}.terms_after(ask, before, now_ms);
    its_version := nextval('{schema}.versions');
    IF term.deadline <= now_ms THEN
        DELETE FROM {schema}.sessions WHERE handle = old;
        RETURN;
    END IF;
    DELETE FROM {schema}.sessions WHERE handle = new;
    UPDATE {schema}.sessions SET handle = new, version = its_version, used = now_ms, idle = term.idle,
        deadline = term.deadline, absolute = term.absolute, sweep = {schema}.sweep_of(term.deadline),
        subject = CASE change WHEN 'keep' THEN subject WHEN 'set' THEN its_subject END,
        id = its_id, data = CASE WHEN with_write THEN its_data ELSE data END
    WHERE handle = old;
EXCEPTION WHEN unique_violation THEN
    outcome := 'duplicate';
END $$;

-- Ends all sessions of a subject but one. Who waits here for a row that gets another id gets to know it.
CREATE FUNCTION {schema}.revoke(whose bytea, keep bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    his bytea[];
    ended bigint;
BEGIN
    WITH held AS (
        SELECT handle FROM {schema}.sessions WHERE subject = whose AND handle IS DISTINCT FROM keep
        ORDER BY handle FOR UPDATE
    ) SELECT array_agg(handle) INTO his FROM held;
    WITH gone AS (DELETE FROM {schema}.sessions WHERE handle = ANY (his) RETURNING deadline)
    SELECT count(*) INTO ended FROM gone WHERE deadline > {schema}.now_ms();
    RETURN ended;
END $$;

-- Removes what has run out, so many at a time; passes over what somebody is busy with.
CREATE FUNCTION {schema}.sweep(at_most integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    now_ms bigint := {schema}.now_ms();
    swept bigint;
BEGIN
    DELETE FROM {schema}.sessions WHERE handle IN (
        SELECT handle FROM {schema}.sessions
        WHERE sweep <= {schema}.sweep_of(now_ms) AND deadline <= now_ms
        ORDER BY sweep LIMIT at_most FOR UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS swept = ROW_COUNT;
    RETURN swept;
END $$;
