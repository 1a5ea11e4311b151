-- gpuwarden: an operator's word. It needs no leadership, because it counts while no daemon runs; the daemon reads it with
-- its next snapshot. What is stored names who said it, when and why.

create or replace function public.gpuwarden_operator_state(owner_param text) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select jsonb_build_object(
    'paused', coalesce((w.value ->> 'paused')::boolean, false),
    'paused_by', w.value ->> 'paused_by', 'pause_reason', w.value ->> 'pause_reason',
    'breaker', coalesce(b.value ->> 'state', 'closed'), 'generation', coalesce((b.value ->> 'generation')::bigint, 1),
    'override', case when o.value is not null and coalesce((o.value ->> 'expires_at')::timestamptz, 'infinity') > clock_timestamp() then jsonb_build_object(
      'kind', o.value ->> 'kind', 'actor', o.value ->> 'actor', 'reason', o.value ->> 'reason',
      'expires_in_s', extract(epoch from (o.value ->> 'expires_at')::timestamptz - clock_timestamp())) end)
  from (select 1) one
  left join public.gpuwarden_state w on w.owner = owner_param and w.key = 'switches'
  left join public.gpuwarden_state b on b.owner = owner_param and b.key = 'breaker'
  left join public.gpuwarden_state o on o.owner = owner_param and o.key = 'breaker_override'
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_operator_state(text)'); end $close$;

-- Commands: pause, resume, breaker_hold, breaker_release, breaker_clear (of hold or release), breaker_reset. Answers
-- {done, reason, state}; not done = it was so already. Saying the same word again changes nothing but who, when and why.
create or replace function public.gpuwarden_operator(
  owner_param text, command_param text, actor_param text, reason_param text, ttl_sec_param integer default null)
returns jsonb
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
declare
  at timestamptz := clock_timestamp();
  actor text := left(btrim(coalesce(actor_param, '')), 100);
  why text := left(btrim(coalesce(reason_param, '')), 500);
  overrides boolean := command_param in ('breaker_hold', 'breaker_release');
  word jsonb;
  done boolean := true;
  outcome text;
begin
  if coalesce(owner_param, '') = '' then
    raise exception 'gpuwarden: no owner named' using errcode = 'PT400';
  elsif actor = '' then
    raise exception 'gpuwarden: an operator''s word needs a name' using errcode = 'PT400';
  elsif why = '' and command_param in ('pause', 'breaker_hold', 'breaker_release', 'breaker_reset') then
    raise exception 'gpuwarden: % needs a reason', command_param using errcode = 'PT400';
  elsif ttl_sec_param is not null and (not overrides or ttl_sec_param <= 0) then
    raise exception 'gpuwarden: only breaker_hold and breaker_release end by themselves, after 1 s or more' using errcode = 'PT400';
  end if;
  word := jsonb_build_object('actor', actor, 'reason', why, 'at', at);

  if command_param in ('pause', 'resume') then
    select coalesce((value ->> 'paused')::boolean, false) = (command_param = 'resume') into done
    from public.gpuwarden_state where owner = owner_param and key = 'switches' for update;
    done := coalesce(done, command_param = 'pause');
    outcome := case command_param when 'pause' then case when done then 'paused' else 'already_paused' end
                                  else case when done then 'resumed' else 'not_paused' end end;
    insert into public.gpuwarden_state as s (owner, key, value) values (owner_param, 'switches',
      case command_param when 'pause' then jsonb_build_object('paused', true, 'paused_by', actor, 'pause_reason', why, 'paused_at', at)
                         else jsonb_build_object('paused', false, 'resumed', word) end)
    on conflict (owner, key) do update set value = excluded.value, changed_at = now();

  elsif overrides then
    outcome := case command_param when 'breaker_hold' then 'held' else 'released' end;
    word := word || jsonb_build_object('kind', case command_param when 'breaker_hold' then 'hold' else 'release' end,
      'expires_at', at + make_interval(secs => ttl_sec_param));
    insert into public.gpuwarden_state as s (owner, key, value) values (owner_param, 'breaker_override', word)
    on conflict (owner, key) do update set value = excluded.value, changed_at = now();

  elsif command_param = 'breaker_clear' then
    delete from public.gpuwarden_state where owner = owner_param and key = 'breaker_override'
      and coalesce((value ->> 'expires_at')::timestamptz, 'infinity') > at;
    done := found;
    outcome := case when done then 'cleared' else 'no_override' end;

  elsif command_param = 'breaker_reset' then
    -- Two generations up: above whatever a daemon has decided already and not saved yet (see gpuwarden_save_state). Starts
    -- of before are no evidence any more.
    outcome := 'reset';
    insert into public.gpuwarden_state as s (owner, key, value)
    values (owner_param, 'breaker', jsonb_build_object(
      'state', 'closed', 'generation', 3, 'pause_s', 0, 'canary_successes', 0, 'canary', null,
      'reason', format('reset by %s: %s', actor, why), 'script_hash', '', 'scopes', '[]'::jsonb, 'reset', word))
    on conflict (owner, key) do update set
      value = s.value || (excluded.value - 'script_hash')
              || jsonb_build_object('generation', coalesce((s.value ->> 'generation')::bigint, 1) + 2),
      changed_at = now();
    delete from public.gpuwarden_state where owner = owner_param and key = 'breaker_override';

  else
    raise exception 'gpuwarden: unknown command %', coalesce(command_param, 'null') using errcode = 'PT400';
  end if;
  return jsonb_build_object('done', done, 'reason', outcome, 'state', public.gpuwarden_operator_state(owner_param));
end
$$;

do $close$
begin
  perform public.gpuwarden_close('function public.gpuwarden_operator(text, text, text, text, integer)');
  -- The grants of before know these functions only from their second run on.
  if exists (select 1 from pg_roles where rolname = 'service_role') then
    revoke all on function public.gpuwarden_operator_state(text) from service_role;
    revoke all on function public.gpuwarden_operator(text, text, text, text, integer) from service_role;
    grant execute on function public.gpuwarden_operator(text, text, text, text, integer) to service_role;
  end if;
end
$close$;
