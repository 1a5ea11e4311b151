-- gpuwarden: what the daemon writes. Every function checks the leadership first; every transition is a compare-and-swap.
-- Locks are taken in one order everywhere: leader, our row, the shared row, tasks. Who waits for one longer than 3 s gives
-- up and is asked again. What runs as its owner is closed right after it is made, so that a broken-off run leaves no door open.

-- True while `epoch` leads for the owner; holds that fact until the end of the transaction. The weakest lock does: a change
-- of leader takes the strongest, and renewing the lease must not wait for a slow write.
create or replace function public.gpuwarden_leads(owner_param text, epoch_param bigint) returns boolean
language plpgsql set search_path = public, pg_temp as $$
begin
  perform 1 from public.gpuwarden_leaders where owner = owner_param and epoch = epoch_param for key share;
  return found;
end
$$;

create or replace function public.gpuwarden_refusal(reason_param text) returns jsonb
language sql immutable as $$ select jsonb_build_object('done', false, 'reason', reason_param) $$;

create or replace function public.gpuwarden_register_worker(
  worker_id_param text, owner_param text, epoch_param bigint, details_param jsonb) returns jsonb
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
declare
  known public.gpuwarden_workers;
  base timestamptz;
begin
  if not public.gpuwarden_leads(owner_param, epoch_param) then return public.gpuwarden_refusal('not_leader'); end if;
  select * into known from public.gpuwarden_workers where worker_id = worker_id_param for update;
  if found then
    if known.owner = owner_param and known.epoch = epoch_param and known.ended_at is null then
      return jsonb_build_object('done', true, 'reason', 'already');
    end if;
    return public.gpuwarden_refusal('worker_exists');
  end if;
  insert into public.workers (id, instance_type, status, created_at, metadata)
  values (worker_id_param, public.gpuwarden_fit('workers', 'instance_type', coalesce(details_param ->> 'gpu', 'gpu')), 'spawning', now(),
          jsonb_strip_nulls(jsonb_build_object(
            'orchestrator', 'gpuwarden', 'owner', owner_param, 'phase', 'intent', 'gpu', details_param ->> 'gpu',
            'data_center', details_param ->> 'data_center', 'image', details_param ->> 'image')))
  on conflict (id) do nothing
  returning last_heartbeat into base;
  if not found then return public.gpuwarden_refusal('worker_exists'); end if;
  insert into public.gpuwarden_workers (
    worker_id, owner, epoch, gpu, data_center, volume_id, volume_name, cloud, image, script_hash, generation, canary,
    cost_per_hr, heartbeat_base)
  values (
    worker_id_param, owner_param, epoch_param, details_param ->> 'gpu', details_param ->> 'data_center',
    details_param ->> 'volume_id', details_param ->> 'volume_name', details_param ->> 'cloud', details_param ->> 'image',
    details_param ->> 'script_hash', coalesce((details_param ->> 'generation')::bigint, 0),
    coalesce((details_param ->> 'canary')::boolean, false),
    coalesce((details_param ->> 'cost_per_hr')::double precision, 0), base);
  return jsonb_build_object('done', true, 'reason', 'registered');
end
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_register_worker(text, text, bigint, jsonb)'); end $close$;

-- Writes status and metadata into the shared row; metadata is merged in one statement, nobody's fields are lost.
create or replace function public.gpuwarden_share(worker_id_param text, status_param text, metadata_param jsonb) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  -- The status as a literal takes the type of the column, which may be an enum.
  execute format(
    'update public.workers set metadata = coalesce(metadata::jsonb, ''{}''::jsonb) || $1, status = %L where id = $2', status_param)
  using jsonb_strip_nulls(metadata_param), worker_id_param;
end
$$;

-- The status as it counts, with the shared row locked after our own. The end is the end, whatever stands in the shared row.
create or replace function public.gpuwarden_lock_shared(mine public.gpuwarden_workers) returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  shared text;
begin
  select w.status::text into shared from public.workers w where w.id = mine.worker_id for update;
  return case when mine.ended_at is not null then 'terminated' else public.gpuwarden_status(shared, mine.status) end;
end
$$;

create or replace function public.gpuwarden_update_worker(
  worker_id_param text, owner_param text, epoch_param bigint, expected_param text[], change_param jsonb) returns jsonb
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
declare
  mine public.gpuwarden_workers;
  current_status text;
  next_status text;
  next_phase text;
begin
  if not public.gpuwarden_leads(owner_param, epoch_param) then return public.gpuwarden_refusal('not_leader'); end if;
  select * into mine from public.gpuwarden_workers where worker_id = worker_id_param and owner = owner_param for update;
  if not found then return public.gpuwarden_refusal('unknown_worker'); end if;
  current_status := public.gpuwarden_lock_shared(mine);
  if not coalesce(current_status = any (expected_param), false) then
    return jsonb_build_object('done', false, 'reason', 'status is ' || current_status, 'status', current_status, 'phase', mine.phase);
  end if;
  next_status := coalesce(change_param ->> 'status', current_status);
  if next_status not in ('spawning', 'active', 'terminating', 'error', 'terminated') then
    raise exception 'gpuwarden: unknown status %', next_status using errcode = 'PT400';
  end if;
  next_phase := coalesce(change_param ->> 'phase', mine.phase);

  update public.gpuwarden_workers set
    status = next_status,
    phase = next_phase,
    phase_since = case when next_phase is distinct from mine.phase then now() else phase_since end,
    step = case when change_param ? 'step' then change_param ->> 'step'
                when next_phase is distinct from mine.phase then null else step end,
    pod_id = coalesce(change_param ->> 'pod_id', pod_id),
    token_hash = coalesce(decode(change_param ->> 'token_sha256', 'hex'), token_hash),
    cost_per_hr = coalesce((change_param ->> 'cost_per_hr')::double precision, cost_per_hr),
    drain_reason = coalesce(change_param ->> 'drain_reason', drain_reason),
    end_reason = coalesce(change_param ->> 'end_reason', end_reason),
    activated_at = case when next_status = 'active' then coalesce(activated_at, now()) else activated_at end,
    outcome = case when (change_param ->> 'success')::boolean and outcome is null then 'success' else outcome end,
    outcome_at = case when (change_param ->> 'success')::boolean and outcome is null then now() else outcome_at end,
    ended_at = case when next_status = 'terminated' then coalesce(ended_at, now()) else ended_at end
  where worker_id = worker_id_param;

  perform public.gpuwarden_share(worker_id_param, next_status,
    jsonb_build_object('phase', next_phase || coalesce(':' || (change_param ->> 'step'), ''),
                       'runpod_id', change_param ->> 'pod_id', 'cost_per_hr', change_param -> 'cost_per_hr',
                       'drain_reason', change_param ->> 'drain_reason', 'end_reason', change_param ->> 'end_reason')
    || coalesce(change_param -> 'metadata', '{}'::jsonb));
  return jsonb_build_object('done', true, 'reason', 'updated', 'status', next_status, 'phase', next_phase);
end
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_update_worker(text, text, bigint, text[], jsonb)'); end $close$;

-- `expected`: the statuses it may be in, empty = any. `outcome` false: what is known of its start stays. `request_id` names the
-- call: when its answer was lost, the repeat is told that it is done.
create or replace function public.gpuwarden_fail_worker(
  worker_id_param text, owner_param text, epoch_param bigint, failure_param jsonb) returns jsonb
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
declare
  mine public.gpuwarden_workers;
  current_status text;
  counts_as_start boolean := coalesce((failure_param ->> 'outcome')::boolean, true);
  failure uuid;
  held record;
  moved text;
  requeued uuid[] := '{}';
  given_up uuid[] := '{}';
begin
  if not public.gpuwarden_leads(owner_param, epoch_param) then return public.gpuwarden_refusal('not_leader'); end if;
  select * into mine from public.gpuwarden_workers where worker_id = worker_id_param and owner = owner_param for update;
  if not found then return public.gpuwarden_refusal('unknown_worker'); end if;
  select id into failure from public.gpuwarden_failures
  where worker_id = worker_id_param and request_id = nullif(failure_param ->> 'request_id', '');
  if found then
    return jsonb_build_object('done', true, 'reason', 'already', 'failure_id', failure, 'requeued', '[]'::jsonb, 'failed', '[]'::jsonb);
  end if;
  if mine.ended_at is not null then return public.gpuwarden_refusal('already_ended'); end if;
  current_status := public.gpuwarden_lock_shared(mine);
  if jsonb_typeof(failure_param -> 'expected') = 'array' and failure_param -> 'expected' <> '[]'::jsonb
     and not (failure_param -> 'expected') ? current_status then
    return public.gpuwarden_refusal('status is ' || current_status);
  end if;
  perform public.gpuwarden_keep_settings(owner_param, failure_param);
  insert into public.gpuwarden_failures (
    worker_id, owner, cause, summary, evidence_line, fingerprint, phase, scope, counts, advice, evidence, pod_id, gpu,
    data_center, cost_usd, generation, request_id, task_ids)
  values (
    worker_id_param, owner_param, failure_param ->> 'cause', failure_param ->> 'summary', failure_param ->> 'evidence_line',
    failure_param ->> 'fingerprint', failure_param ->> 'phase', failure_param ->> 'scope',
    coalesce((failure_param ->> 'counts')::boolean, true), failure_param ->> 'advice', failure_param -> 'evidence',
    coalesce(nullif(failure_param ->> 'pod_id', ''), mine.pod_id), coalesce(nullif(failure_param ->> 'gpu', ''), mine.gpu),
    coalesce(nullif(failure_param ->> 'data_center', ''), mine.data_center),
    coalesce((failure_param ->> 'cost_usd')::double precision, 0),
    coalesce((failure_param ->> 'generation')::bigint, mine.generation), nullif(failure_param ->> 'request_id', ''),
    coalesce((select array_agg(t.id) from public.tasks t where t.worker_id = worker_id_param and t.status = 'In Progress'), '{}'))
  on conflict (worker_id) do nothing
  returning id into failure;
  if failure is null then return public.gpuwarden_refusal('already_failed'); end if;

  update public.gpuwarden_workers
  set status = 'error', phase = 'collecting', phase_since = now(), step = null,
      drain_reason = coalesce(drain_reason, 'failed: ' || (failure_param ->> 'cause')),
      outcome = case when counts_as_start then 'failure' else outcome end,
      outcome_at = case when counts_as_start then now() else outcome_at end
  where worker_id = worker_id_param;
  perform public.gpuwarden_share(worker_id_param, 'error', jsonb_build_object(
    'phase', 'collecting', 'cause', failure_param ->> 'cause', 'error_reason', failure_param ->> 'summary'));

  -- A task that somebody else holds locked is left to the next rescue, which frees those of failed workers at once.
  for held in
    select t.id, coalesce(t.attempts, 0)::integer as attempts from public.tasks t
    where t.worker_id = worker_id_param and t.status = 'In Progress' order by t.id for update skip locked
  loop
    moved := public.gpuwarden_release_task(held.id, worker_id_param, held.attempts,
      coalesce((failure_param ->> 'task_max_attempts')::integer, 3),
      format('%s on %s: %s', failure_param ->> 'cause', worker_id_param, coalesce(failure_param ->> 'summary', '')));
    if moved = 'Queued' then requeued := requeued || held.id; end if;
    if moved = 'Failed' then given_up := given_up || held.id; end if;
  end loop;
  return jsonb_build_object('done', true, 'reason', 'failed', 'failure_id', failure, 'requeued', to_jsonb(requeued),
                            'failed', to_jsonb(given_up));
end
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_fail_worker(text, text, bigint, jsonb)'); end $close$;

-- The crash bundle comes after the mark; it may sharpen the verdict.
create or replace function public.gpuwarden_add_evidence(
  worker_id_param text, owner_param text, epoch_param bigint, failure_param jsonb) returns jsonb
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
begin
  if not public.gpuwarden_leads(owner_param, epoch_param) then return public.gpuwarden_refusal('not_leader'); end if;
  update public.gpuwarden_failures set
    cause = coalesce(failure_param ->> 'cause', cause),
    summary = coalesce(failure_param ->> 'summary', summary),
    evidence_line = coalesce(nullif(failure_param ->> 'evidence_line', ''), evidence_line),
    fingerprint = coalesce(failure_param ->> 'fingerprint', fingerprint),
    scope = coalesce(failure_param ->> 'scope', scope),
    counts = coalesce((failure_param ->> 'counts')::boolean, counts),
    advice = coalesce(failure_param ->> 'advice', advice),
    cost_usd = greatest(cost_usd, coalesce((failure_param ->> 'cost_usd')::double precision, 0)),
    -- A JSON null is no evidence either: joined with it, an object would become a list.
    evidence = coalesce(nullif(evidence, 'null'), '{}') || coalesce(nullif(failure_param -> 'evidence', 'null'), '{}'),
    updated_at = now()
  where worker_id = worker_id_param and owner = owner_param;
  return jsonb_build_object('done', found, 'reason', case when found then 'added' else 'no_failure' end);
end
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_add_evidence(text, text, bigint, jsonb)'); end $close$;

create or replace function public.gpuwarden_rescue_tasks(owner_param text, epoch_param bigint, options_param jsonb) returns jsonb
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
declare
  stray record;
  moved text;
  requeued uuid[] := '{}';
  given_up uuid[] := '{}';
begin
  if not public.gpuwarden_leads(owner_param, epoch_param) then return public.gpuwarden_refusal('not_leader'); end if;
  perform public.gpuwarden_keep_settings(owner_param, options_param);
  for stray in
    select r.* from public.tasks t join public.gpuwarden_rescuable(options_param) r on r.task_id = t.id
    order by t.id for update of t skip locked
  loop
    perform public.gpuwarden_note_event(owner_param, stray.worker_id, stray.task_id, 'task_rescued',
      jsonb_build_object('attempt', stray.attempts + 1, 'why', left(stray.why, 500)));
    moved := public.gpuwarden_release_task(stray.task_id, stray.worker_id, stray.attempts,
      coalesce((options_param ->> 'task_max_attempts')::integer, 3), stray.why);
    if moved = 'Queued' then requeued := requeued || stray.task_id; end if;
    if moved = 'Failed' then given_up := given_up || stray.task_id; end if;
  end loop;
  return jsonb_build_object('done', true, 'reason', 'rescued', 'requeued', to_jsonb(requeued), 'failed', to_jsonb(given_up));
end
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_rescue_tasks(text, bigint, jsonb)'); end $close$;

-- The breaker is saved by compare-and-swap on its generation, so that what was decided before an operator's reset never
-- overwrites it. The daemon's value is at most one generation above the one that it has read; a reset goes two up
-- (gpuwarden_operator), so that every value of before it is lower than what is stored.
create or replace function public.gpuwarden_save_state(
  owner_param text, epoch_param bigint, key_param text, value_param jsonb) returns jsonb
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
begin
  if not public.gpuwarden_leads(owner_param, epoch_param) then return public.gpuwarden_refusal('not_leader'); end if;
  insert into public.gpuwarden_state as s (owner, key, value) values (owner_param, key_param, value_param - 'state_age_s')
  on conflict (owner, key) do update set
    value = excluded.value,
    -- The age of a breaker's state survives writes that keep state and generation.
    changed_at = case when key_param = 'breaker' and s.value -> 'state' = excluded.value -> 'state'
                       and s.value -> 'generation' = excluded.value -> 'generation' then s.changed_at else now() end
  where key_param <> 'breaker'
     or coalesce((excluded.value ->> 'generation')::bigint, 0) >= coalesce((s.value ->> 'generation')::bigint, 0);
  if not found then return public.gpuwarden_refusal('older_generation'); end if;
  return jsonb_build_object('done', true, 'reason', 'saved');
end
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_save_state(text, bigint, text, jsonb)'); end $close$;

create or replace function public.gpuwarden_resign(owner_param text, epoch_param bigint, holder_param text) returns jsonb
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
begin
  update public.gpuwarden_leaders set expires_at = clock_timestamp()
  where owner = owner_param and epoch = epoch_param and holder = holder_param;
  return jsonb_build_object('done', found, 'reason', case when found then 'resigned' else 'not_leader' end);
end
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_resign(text, bigint, text)'); end $close$;
