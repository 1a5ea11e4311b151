-- gpuwarden: what happened, in order: one row for each step in the life of a worker and of its tasks. Written by triggers on our
-- own rows, so that every function is covered, and by the task functions through gpuwarden_note_event. A heartbeat alone
-- writes nothing. An event that cannot be written is left out: none of them fails or holds up what it tells of.

create table if not exists public.gpuwarden_events (
  id bigint generated always as identity primary key,
  owner text not null,
  at timestamptz not null default clock_timestamp(),
  worker_id text,
  task_id uuid,
  event text not null,
  detail jsonb
);

do $migration$
begin
  perform set_config('lock_timeout', '5s', true);
  if not (select relrowsecurity from pg_class where oid = 'public.gpuwarden_events'::regclass) then
    alter table public.gpuwarden_events enable row level security;
    perform public.gpuwarden_close('table public.gpuwarden_events');
    perform public.gpuwarden_close('sequence ' || pg_get_serial_sequence('public.gpuwarden_events', 'id'));
  end if;
  perform public.gpuwarden_ensure_index('gpuwarden_events_recent', 'gpuwarden_events (owner, at)');
  perform public.gpuwarden_ensure_index('gpuwarden_events_worker', 'gpuwarden_events (worker_id, id) where worker_id is not null');
  perform public.gpuwarden_ensure_index('gpuwarden_events_task', 'gpuwarden_events (task_id, id) where task_id is not null');
end
$migration$;

-- Events of a worker: registered, pod, phase, first_heartbeat, crash, drain, ended. As its owner, because who changes the row need
-- not be allowed to write events.
create or replace function public.gpuwarden_worker_events() returns trigger
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '250ms' as $$
begin
  if tg_op = 'INSERT' then
    insert into public.gpuwarden_events (owner, worker_id, event, detail)
    values (new.owner, new.worker_id, 'registered', jsonb_strip_nulls(jsonb_build_object(
      'phase', new.phase, 'gpu', new.gpu, 'data_center', new.data_center, 'volume', new.volume_name, 'cloud', new.cloud,
      'image', left(new.image, 200), 'script_hash', left(new.script_hash, 64), 'canary', nullif(new.canary, false))));
    return null;
  end if;
  insert into public.gpuwarden_events (owner, worker_id, event, detail)
  select new.owner, new.worker_id, e.event, nullif(jsonb_strip_nulls(e.detail), '{}'::jsonb)
  from (values
    (1, new.pod_id is distinct from old.pod_id and new.pod_id is not null, 'pod',
     jsonb_build_object('pod', new.pod_id, 'cost_per_hr', nullif(new.cost_per_hr, 0))),
    (2, old.heartbeat_at is null and new.heartbeat_at is not null, 'first_heartbeat',
     jsonb_build_object('vram_total_mb', new.vram_total_mb)),
    (3, old.crash is null and new.crash is not null, 'crash',
     jsonb_build_object('step', new.crash -> 'step', 'exit_code', new.crash -> 'exit_code', 'signal', new.crash -> 'signal',
                        'line', left(new.crash -> 'tail' ->> -1, 300))),
    (4, old.drain_reason is null and new.drain_reason is not null and new.status <> 'error', 'drain',
     jsonb_build_object('reason', left(new.drain_reason, 300))),
    (5, (new.status, new.phase, new.step) is distinct from (old.status, old.phase, old.step) and new.ended_at is null, 'phase',
     jsonb_build_object('status', new.status, 'phase', new.phase || coalesce(':' || new.step, ''),
                        'before', old.phase || coalesce(':' || old.step, ''))),
    (6, old.ended_at is null and new.ended_at is not null, 'ended',
     jsonb_build_object('reason', left(new.end_reason, 300), 'before', old.phase || coalesce(':' || old.step, '')))
  ) as e(place, happened, event, detail)
  where e.happened
  order by e.place;
  return null;
exception
  when others then return null;
end
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_worker_events()'); end $close$;

-- Events of a failure: failed, and verdict where later evidence has named another cause.
create or replace function public.gpuwarden_failure_events() returns trigger
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '250ms' as $$
begin
  insert into public.gpuwarden_events (owner, worker_id, event, detail)
  values (new.owner, new.worker_id, case tg_op when 'INSERT' then 'failed' else 'verdict' end,
    jsonb_strip_nulls(jsonb_build_object(
      'cause', new.cause, 'before', case when tg_op = 'UPDATE' then old.cause end, 'summary', left(new.summary, 300),
      'evidence_line', left(new.evidence_line, 500), 'fingerprint', left(new.fingerprint, 100), 'phase', new.phase)));
  return null;
exception
  when others then return null;
end
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_failure_events()'); end $close$;

do $migration$
begin
  perform set_config('lock_timeout', '5s', true);
  if not exists (select 1 from pg_trigger where tgname = 'gpuwarden_worker_registered'
                 and tgrelid = 'public.gpuwarden_workers'::regclass) then
    create trigger gpuwarden_worker_registered after insert on public.gpuwarden_workers
    for each row execute function public.gpuwarden_worker_events();
  end if;
  if not exists (select 1 from pg_trigger where tgname = 'gpuwarden_worker_changed'
                 and tgrelid = 'public.gpuwarden_workers'::regclass) then
    create trigger gpuwarden_worker_changed after update on public.gpuwarden_workers
    for each row when ((new.status, new.phase, new.step, new.pod_id) is distinct from (old.status, old.phase, old.step, old.pod_id)
                       or (old.heartbeat_at is null and new.heartbeat_at is not null)
                       or (old.crash is null and new.crash is not null)
                       or (old.drain_reason is null and new.drain_reason is not null)
                       or (old.ended_at is null and new.ended_at is not null))
    execute function public.gpuwarden_worker_events();
  end if;
  if not exists (select 1 from pg_trigger where tgname = 'gpuwarden_failure_stored'
                 and tgrelid = 'public.gpuwarden_failures'::regclass) then
    create trigger gpuwarden_failure_stored after insert on public.gpuwarden_failures
    for each row execute function public.gpuwarden_failure_events();
  end if;
  if not exists (select 1 from pg_trigger where tgname = 'gpuwarden_failure_sharpened'
                 and tgrelid = 'public.gpuwarden_failures'::regclass) then
    create trigger gpuwarden_failure_sharpened after update on public.gpuwarden_failures
    for each row when (new.cause is distinct from old.cause)
    execute function public.gpuwarden_failure_events();
  end if;
end
$migration$;

-- Events, oldest first: those behind `after_id` (the first `limit` of them), or without it the newest `limit`. Ids are given out
-- before their transactions end, so that one behind another may show first: who follows asks again for the last few.
create or replace function public.gpuwarden_list_events(
  owner_param text, worker_id_param text default null, task_id_param uuid default null, after_id_param bigint default null,
  since_sec_param double precision default null, limit_param integer default null) returns jsonb
language plpgsql stable security definer set search_path = public, pg_temp as $$
declare
  condition text := 'e.owner = $1';
  answer jsonb;
begin
  if worker_id_param is not null then condition := condition || ' and e.worker_id = $2'; end if;
  if task_id_param is not null then condition := condition || ' and e.task_id = $3'; end if;
  if after_id_param is not null then condition := condition || ' and e.id > $4'; end if;
  if since_sec_param is not null then condition := condition || ' and e.at > now() - make_interval(secs => $5)'; end if;
  -- Only the conditions that are asked for, so that each finds its index.
  execute format(
    'select coalesce(jsonb_agg(to_jsonb(s) - ''owner'' order by s.id), ''[]''::jsonb)
     from (select * from public.gpuwarden_events e where %s order by %s limit $6) s', condition,
    case when after_id_param is not null then 'e.id'
         when worker_id_param is not null or task_id_param is not null then 'e.id desc'
         else 'e.at desc, e.id desc' end)
  into answer
  using owner_param, worker_id_param, task_id_param, after_id_param, since_sec_param, least(greatest(coalesce(limit_param, 1000), 0), 5000);
  return answer;
end
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_list_events(text, text, uuid, bigint, double precision, integer)'); end $close$;

-- A task with its story: its row, its events, and the failures of workers that held it. Null when there is no such task.
create or replace function public.gpuwarden_get_task(task_id_param uuid) returns jsonb
language sql stable security definer set search_path = public, pg_temp as $$
  select jsonb_build_object(
    'id', t.id, 'task_type', t.task_type, 'status', t.status::text, 'worker_id', t.worker_id, 'attempts', coalesce(t.attempts, 0),
    'error_message', t.error_message, 'created_at', t.created_at::timestamptz, 'updated_at', t.updated_at::timestamptz,
    'generation_started_at', t.generation_started_at::timestamptz,
    'generation_processed_at', t.generation_processed_at::timestamptz,
    'events', (select coalesce(jsonb_agg(to_jsonb(e) - 'owner' order by e.id), '[]'::jsonb)
               from (select * from public.gpuwarden_events where task_id = task_id_param order by id desc limit 1000) e),
    'failures', (select coalesce(jsonb_agg(to_jsonb(f) order by f.created_at), '[]'::jsonb)
                 from (select id, worker_id, cause, summary, evidence_line, fingerprint, phase, pod_id, gpu, data_center, cost_usd, created_at
                       from public.gpuwarden_failures where task_ids @> array[task_id_param]
                       order by created_at desc limit 100) f))
  from public.tasks t where t.id = task_id_param
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_get_task(uuid)'); end $close$;

-- Failures by fingerprint, those of most pods first: the same fault on many pods is one line.
create or replace function public.gpuwarden_failure_groups(owner_param text, since_sec_param double precision, limit_param integer)
returns jsonb
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(to_jsonb(g) order by g.pods desc, g.cost_usd desc, g.last_at desc), '[]'::jsonb)
  from (select f.fault as fingerprint, (array_agg(f.cause order by f.created_at desc))[1] as cause, count(*) as pods,
               sum(f.cost_usd) as cost_usd, min(f.created_at) as first_at, max(f.created_at) as last_at,
               (array_agg(f.worker_id order by f.created_at desc))[1] as worker_id,
               (array_agg(f.summary order by f.created_at desc))[1] as summary,
               (array_agg(f.evidence_line order by f.created_at desc))[1] as evidence_line
        from (select coalesce(nullif(fingerprint, ''), cause) as fault, cause, cost_usd, created_at, worker_id, summary, evidence_line
              from public.gpuwarden_failures
              where owner = owner_param and created_at > now() - make_interval(secs => since_sec_param)) f
        group by f.fault
        order by count(*) desc, sum(f.cost_usd) desc, max(f.created_at) desc
        limit greatest(coalesce(limit_param, 1000), 0)) g
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_failure_groups(text, double precision, integer)'); end $close$;

-- Deletes failures and events older than so many days of 24 hours, 1000 rows at most, so that no call takes long; `more` says
-- whether to ask again. The failure of a worker that has not ended is what keeps it from failing twice, so it stays.
create or replace function public.gpuwarden_prune(owner_param text, epoch_param bigint, days_param integer) returns jsonb
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
declare
  most constant integer := 1000;
  oldest timestamptz := now() - make_interval(hours => 24 * days_param);
  failures integer;
  events integer;
begin
  if days_param is null or days_param < 1 then
    raise exception 'gpuwarden: failures are kept for at least one day' using errcode = 'PT400';
  end if;
  if not public.gpuwarden_leads(owner_param, epoch_param) then return public.gpuwarden_refusal('not_leader'); end if;
  delete from public.gpuwarden_failures where id = any (array(
    select f.id from public.gpuwarden_failures f
    where f.owner = owner_param and f.created_at < oldest
      and not exists (select 1 from public.gpuwarden_workers g where g.worker_id = f.worker_id and g.ended_at is null)
    order by f.created_at limit most for update of f skip locked));
  get diagnostics failures = row_count;
  delete from public.gpuwarden_events where id = any (array(
    select e.id from public.gpuwarden_events e
    where e.owner = owner_param and e.at < oldest order by e.at limit most - failures for update skip locked));
  get diagnostics events = row_count;
  return jsonb_build_object('done', true, 'reason', 'pruned', 'failures', failures, 'events', events,
                            'more', failures + events >= most);
end
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_prune(text, bigint, integer)'); end $close$;

do $close$
declare
  f text;
begin
  -- The grants of before know these only from their second run on.
  if exists (select 1 from pg_roles where rolname = 'service_role') then
    foreach f in array array[
      'gpuwarden_list_events(text, text, uuid, bigint, double precision, integer)', 'gpuwarden_get_task(uuid)',
      'gpuwarden_failure_groups(text, double precision, integer)', 'gpuwarden_prune(text, bigint, integer)']
    loop
      execute format('revoke all on function public.%s from service_role', f);
      execute format('grant execute on function public.%s to service_role', f);
    end loop;
    revoke all on function public.gpuwarden_worker_events() from service_role;
    revoke all on function public.gpuwarden_failure_events() from service_role;
    grant select, insert, update, delete on table public.gpuwarden_events to service_role;
  end if;
end
$close$;

notify pgrst, 'reload schema';
