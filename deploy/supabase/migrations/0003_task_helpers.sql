-- gpuwarden: small functions about tasks. They are called by ours only.

-- A worker's status as it counts. Our own row is the truth, because programs in the field write `workers.status` with every
-- heartbeat. The shared word counts only where it asks for an end that is further on; a `terminated` that somebody wrote
-- by hand asks for one too, but the pod behind it still has to go.
create or replace function public.gpuwarden_status(shared_param text, own_param text) returns text
language sql immutable as $$
  select case when shared_param = 'error' and own_param in ('spawning', 'active', 'terminating') then 'error'
              when shared_param in ('terminating', 'terminated') and own_param in ('spawning', 'active') then 'terminating'
              else own_param end
$$;

-- SQL that is true for a task `t` when all that it depends on is Complete. `dependant_on` is uuid, uuid[], text or absent.
-- It is put into the functions below as text: a call for each queued task would cost more than the rest of the snapshot.
create or replace function public.gpuwarden_ready_condition() returns text
language plpgsql stable set search_path = public, pg_temp as $$
declare
  kind text;
begin
  select format_type(a.atttypid, null) into kind
  from pg_attribute a
  where a.attrelid = 'public.tasks'::regclass and a.attname = 'dependant_on' and not a.attisdropped;

  if kind is null then
    return 'true';
  elsif kind = 'uuid' then
    return $c$ t.dependant_on is null
      or exists (select 1 from public.tasks d where d.id = t.dependant_on and d.status = 'Complete') $c$;
  elsif kind = 'uuid[]' then
    return $c$ coalesce(cardinality(t.dependant_on), 0) = 0
      or not exists (select 1 from unnest(t.dependant_on) as n(id)
                     where n.id is not null
                       and not exists (select 1 from public.tasks d where d.id = n.id and d.status = 'Complete')) $c$;
  end if;
  -- Text of any form: every uuid in it counts; text without one names something that is not complete.
  return $c$ coalesce(btrim(t.dependant_on::text, ' {}[]"'), '') in ('', 'null')
    or (t.dependant_on::text ~* '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
        and not exists (
          select 1
          from regexp_matches(t.dependant_on::text,
                              '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}', 'g') as m(id)
          where not exists (select 1 from public.tasks d where d.id = m.id[1]::uuid and d.status = 'Complete'))) $c$;
end
$$;

do $migration$
declare
  condition text := '(' || public.gpuwarden_ready_condition() || ')';
begin
  -- For queue functions that users write themselves.
  execute replace($create$
    create or replace function public.gpuwarden_task_ready(t public.tasks) returns boolean
    language sql stable set search_path = public, pg_temp as $body$ select %READY% $body$
  $create$, '%READY%', condition);

  -- The oldest task that may be claimed, locked; nothing when there is none that nobody else is just taking.
  execute replace($create$
    create or replace function public.gpuwarden_next_task() returns setof public.tasks
    language sql volatile set search_path = public, pg_temp as $body$
      select t.* from public.tasks t
      where t.status = 'Queued' and %READY%
      order by t.created_at, t.id limit 1
      for update skip locked
    $body$
  $create$, '%READY%', condition);

  -- What workers could claim now. Users replace this function where eligibility is their own business; theirs stays.
  if not public.gpuwarden_may_define('gpuwarden_queue_depth') then return; end if;
  execute replace($create$
    create or replace function public.gpuwarden_queue_depth() returns jsonb
    language sql stable set search_path = public, pg_temp as $body$
      with open_tasks as (
        select t.task_type::text as task_type, true as is_queued, %READY% as ready
        from public.tasks t
        where t.status = 'Queued'
        union all
        select t.task_type::text, false, false
        from public.tasks t
        where t.status = 'In Progress' and coalesce(t.worker_id, '') not like 'api-worker-%'
      ), types as (
        select task_type, count(*) filter (where ready) as queued, count(*) filter (where not is_queued) as running,
               count(*) filter (where is_queued and not ready) as blocked
        from open_tasks group by task_type
      )
      select jsonb_build_object(
        'queued', coalesce(sum(queued), 0), 'running', coalesce(sum(running), 0), 'blocked', coalesce(sum(blocked), 0),
        'by_type', coalesce(jsonb_object_agg(coalesce(task_type, ''), jsonb_build_object('queued', queued, 'running', running)),
                            '{}'::jsonb))
      from types
    $body$
  $create$, '%READY%', condition);
  perform public.gpuwarden_mark('public.gpuwarden_queue_depth()');
end
$migration$;

-- True when a text matches one of the shell patterns (* and ?) of a JSON list.
create or replace function public.gpuwarden_matches(text_param text, patterns_param jsonb) returns boolean
language sql immutable set search_path = public, pg_temp as $$
  select exists (
    select 1
    from jsonb_array_elements_text(coalesce(patterns_param, '[]'::jsonb)) as p(pattern)
    where coalesce(text_param, '') like
      replace(replace(replace(replace(replace(p.pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'), '?', '_'))
$$;

-- A text cut to what a column of a shared table takes, and to 8000 characters: too long a word must not undo the whole call.
create or replace function public.gpuwarden_fit(table_param text, column_param text, text_param text) returns text
language sql stable set search_path = public, pg_temp as $$
  select left(text_param, least(8000, (
    select a.atttypmod - 4 from pg_attribute a
    where a.attrelid = to_regclass('public.' || table_param) and a.attname = column_param and a.atttypmod > 4
      and a.atttypid in ('varchar'::regtype, 'bpchar'::regtype))))
$$;

-- Writes down what happened to a task of one of our workers (0013). It never fails and hardly waits: what cannot be written is
-- left out. Without an owner it is the worker's; a task of somebody else's worker has none, and no events.
create or replace function public.gpuwarden_note_event(
  owner_param text, worker_id_param text, task_id_param uuid, event_param text, detail_param jsonb) returns void
language plpgsql set search_path = public, pg_temp set lock_timeout = '250ms' as $$
begin
  insert into public.gpuwarden_events (owner, worker_id, task_id, event, detail)
  select o.owner, worker_id_param, task_id_param, event_param, jsonb_strip_nulls(detail_param)
  from (select coalesce(owner_param, (select g.owner from public.gpuwarden_workers g where g.worker_id = worker_id_param)) as owner) o
  where o.owner is not null;
exception
  when others then null;
end
$$;

-- Gives a task back: one more attempt counted, queued again or failed for good. Compare-and-swap on worker and attempts.
-- Answers the new status, or null when the task had moved meanwhile.
create or replace function public.gpuwarden_release_task(
  task_id_param uuid, worker_id_param text, attempts_param integer, max_attempts_param integer, why_param text)
returns text
language plpgsql set search_path = public, pg_temp as $$
declare
  deaths text;
begin
  if attempts_param + 1 < max_attempts_param then
    update public.tasks
    set status = 'Queued', worker_id = null, attempts = attempts_param + 1, generation_started_at = null, updated_at = now()
    where id = task_id_param and status = 'In Progress' and worker_id is not distinct from worker_id_param
      and coalesce(attempts, 0) = attempts_param;
    if not found then return null; end if;
    perform public.gpuwarden_note_event(null, worker_id_param, task_id_param, 'task_requeued',
      jsonb_build_object('attempt', attempts_param + 1, 'why', left(why_param, 500)));
    return 'Queued';
  end if;
  select string_agg(format('%s on %s (%s)', f.cause, f.worker_id, coalesce(f.summary, '')), '; ' order by f.created_at)
  into deaths
  from public.gpuwarden_failures f
  where f.task_ids @> array[task_id_param] and f.worker_id is distinct from worker_id_param;
  update public.tasks
  set status = 'Failed', attempts = attempts_param + 1, updated_at = now(), generation_processed_at = now(),
      error_message = public.gpuwarden_fit('tasks', 'error_message', format('given up after %s attempts: %s%s',
        attempts_param + 1, why_param, coalesce('; earlier: ' || deaths, '')))
  where id = task_id_param and status = 'In Progress' and worker_id is not distinct from worker_id_param
    and coalesce(attempts, 0) = attempts_param;
  if not found then return null; end if;
  perform public.gpuwarden_note_event(null, worker_id_param, task_id_param, 'task_given_up',
    jsonb_build_object('attempt', attempts_param + 1, 'why', left(why_param, 500)));
  return 'Failed';
end
$$;

-- Tasks in progress that no live worker owns. Age never rescues an exempt type; the death of its worker does.
create or replace function public.gpuwarden_rescuable(options_param jsonb)
returns table (task_id uuid, worker_id text, attempts integer, why text)
language sql stable set search_path = public, pg_temp as $$
  select t.id, t.worker_id::text, coalesce(t.attempts, 0)::integer,
    case
      when g.worker_id is not null then 'its worker ' || t.worker_id || ' has ended' || coalesce(
        (select format(': %s (%s)', f.cause, coalesce(f.summary, '')) from public.gpuwarden_failures f
         where f.worker_id = g.worker_id), '')
      when t.worker_id is null then 'in progress without a worker'
      when t.worker_id like 'api-worker-%' then 'no activity of ' || t.worker_id
      when w.status::text not in ('error', 'terminated') then 'its worker ' || t.worker_id || ' has sent no heartbeat for long'
      else 'its worker ' || t.worker_id || ' is unknown'
    end
  from public.tasks t
  left join public.gpuwarden_workers g on g.worker_id = t.worker_id
  left join public.workers w on w.id = t.worker_id
  cross join lateral (
    select extract(epoch from clock_timestamp()
                     - greatest(t.updated_at, t.generation_started_at, t.created_at)) as quiet,
           coalesce((options_param ->> 'inactive_task_sec')::double precision, 1800) as inactive,
           public.gpuwarden_matches(t.task_type::text, options_param -> 'rescue_exempt') as exempt) a
  where t.status = 'In Progress'
    and case
      when g.worker_id is not null then
        g.ended_at is not null or public.gpuwarden_status(w.status::text, g.status) in ('error', 'terminated')
      when a.exempt then false
      when t.worker_id is null then a.quiet >= coalesce((options_param ->> 'orphan_task_sec')::numeric, 900)
      when t.worker_id like 'api-worker-%' then a.quiet >= coalesce((options_param ->> 'api_task_sec')::numeric, 420)
      when w.id is null or w.status::text in ('error', 'terminated')
        or w.last_heartbeat < clock_timestamp() - make_interval(secs => a.inactive) then a.quiet >= a.inactive
      else false
    end
$$;
