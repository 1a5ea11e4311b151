-- gpuwarden: what a pod may do, with the publishable key and its own token: report, claim, complete and fail its own tasks.

-- The worker's row when the token is right, locked; otherwise HTTP 403. Unknown worker and wrong token look alike.
create or replace function public.gpuwarden_authenticate(worker_id_param text, token_param text)
returns public.gpuwarden_workers
language plpgsql set search_path = public, pg_temp as $$
declare
  mine public.gpuwarden_workers;
begin
  select * into mine from public.gpuwarden_workers
  where worker_id = worker_id_param and token_hash = sha256(convert_to(coalesce(token_param, ''), 'UTF8'))
  for update;
  if not found then
    raise exception 'gpuwarden: unknown worker or wrong token' using errcode = 'PT403';
  end if;
  return mine;
end
$$;

create or replace function public.gpuwarden_status_of(mine public.gpuwarden_workers) returns text
language sql stable set search_path = public, pg_temp as $$
  select case when mine.ended_at is not null then 'terminated' else
    public.gpuwarden_status((select w.status::text from public.workers w where w.id = mine.worker_id), mine.status) end
$$;

-- A number of a report, or null: a pod's nonsense must not fail its heartbeat.
create or replace function public.gpuwarden_figure(report_param jsonb, key_param text) returns double precision
language sql immutable as $$
  select case when jsonb_typeof(report_param -> key_param) = 'number'
    then least(greatest((report_param ->> key_param)::numeric, 0), 1e15)::double precision end
$$;

-- The last lines of a log as they are kept: at most 100 and 12 KB, because every live worker's come with every snapshot.
create or replace function public.gpuwarden_tail(lines_param jsonb) returns jsonb
language sql immutable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(kept.line order by kept.place), '[]'::jsonb)
  from (select cut.line, cut.place, sum(octet_length(cut.line::text) + 2) over (order by cut.place desc) as bytes
        from (select to_jsonb(left(l.value #>> '{}', 1500)) as line, l.place
              from jsonb_array_elements(case when jsonb_typeof(lines_param) = 'array' then lines_param else '[]' end)
                with ordinality as l(value, place)
              order by l.place desc limit 100) cut) kept
  where kept.bytes <= 12288
$$;

-- A number or a short word of a report as it came; null instead of anything longer.
create or replace function public.gpuwarden_short(value_param jsonb) returns jsonb
language sql immutable as $$
  select case when jsonb_typeof(value_param) in ('number', 'string') and octet_length(value_param::text) <= 100 then value_param end
$$;

-- Lines of the worker's log that came with a report, into system_logs: in their order, in this worker's name only, at most
-- 300. They never make the report fail. A project without that table has none.
create or replace function public.gpuwarden_store_lines(mine public.gpuwarden_workers, lines_param jsonb) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  if jsonb_typeof(lines_param) is distinct from 'array' or to_regclass('public.system_logs') is null then return; end if;
  perform public.gpuwarden_store_logs(
    (select jsonb_agg(jsonb_build_object('timestamp', clock_timestamp() + l.place * interval '1 microsecond',
              'source_type', 'worker', 'source_id', mine.worker_id, 'level', left(coalesce(l.entry ->> 'level', 'INFO'), 20),
              'message', left(coalesce(l.entry ->> 'message', ''), 4000),
              'metadata', jsonb_build_object('owner', mine.owner, 'pod', mine.pod_id)) order by l.place)
     from (select entry, place from jsonb_array_elements(lines_param) with ordinality as e(entry, place) limit 300) l),
    mine.worker_id);
exception
  when others then null;
end
$$;

create or replace function public.gpuwarden_worker_report(worker_id_param text, token_param text, report_param jsonb)
returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  mine public.gpuwarden_workers := public.gpuwarden_authenticate(worker_id_param, token_param);
  state text := public.gpuwarden_status_of(mine);
  kind text := report_param ->> 'kind';
  -- A step that is reported late never takes a worker back.
  begins boolean := coalesce(state = 'spawning' and mine.phase <> 'awaiting_heartbeat' and report_param ->> 'event' = 'begin'
                             and report_param ->> 'step' in ('preflight', 'fetch', 'setup', 'start'), false);
  options jsonb;
begin
  if octet_length(report_param::text) > 65536 then
    raise exception 'gpuwarden: a report has at most 64 KB' using errcode = 'PT413';
  end if;
  if state <> 'terminated' then
    if kind = 'heartbeat' then
      update public.gpuwarden_workers set
        heartbeat_at = clock_timestamp(),
        vram_total_mb = coalesce(public.gpuwarden_figure(report_param, 'vram_total_mb'), vram_total_mb),
        vram_used_mb = coalesce(public.gpuwarden_figure(report_param, 'vram_used_mb'), vram_used_mb),
        disk_free_mb = coalesce(public.gpuwarden_figure(report_param, 'disk_free_mb'), disk_free_mb),
        agent_uptime_s = coalesce(public.gpuwarden_figure(report_param, 'uptime_s'), agent_uptime_s)
      where worker_id = worker_id_param;
      -- For other programs; a heartbeat waits for none of them.
      perform 1 from public.workers where id = worker_id_param for no key update skip locked;
      if found then
        update public.workers set last_heartbeat = clock_timestamp() where id = worker_id_param;
      end if;
    elsif kind = 'step' then
      update public.gpuwarden_workers set
        report = report_param,
        git_commit = coalesce(left(report_param ->> 'commit', 64), git_commit),
        phase = case when begins then 'bootstrapping' else phase end,
        phase_since = case when begins and phase <> 'bootstrapping' then now() else phase_since end,
        step = case when begins then report_param ->> 'step' else step end,
        crash = case when report_param ->> 'event' = 'fail' and crash is null then jsonb_build_object(
                  'step', public.gpuwarden_short(report_param -> 'step'), 'check', public.gpuwarden_short(report_param -> 'check'),
                  'exit_code', public.gpuwarden_short(report_param -> 'exit'),
                  'signal', public.gpuwarden_short(report_param -> 'signal'), 'tail', public.gpuwarden_tail(report_param -> 'tail'))
                else crash end
      where worker_id = worker_id_param;
    elsif kind = 'crash' then
      update public.gpuwarden_workers set crash = coalesce(crash, jsonb_build_object(
        'exit_code', public.gpuwarden_short(report_param -> 'exit_code'),
        'signal', public.gpuwarden_short(report_param -> 'signal'), 'tail', public.gpuwarden_tail(report_param -> 'tail'),
        'ran_s', public.gpuwarden_short(report_param -> 'ran_s')))
      where worker_id = worker_id_param;
    end if;
  end if;
  if report_param ? 'lines' then perform public.gpuwarden_store_lines(mine, report_param -> 'lines'); end if;
  select value into options from public.gpuwarden_state where owner = mine.owner and key = 'settings';
  return jsonb_build_object(
    'directive', case when state in ('error', 'terminated') then 'stop'
                      when state = 'terminating' or mine.drain_reason is not null then 'drain' else 'continue' end,
    'lease_sec', coalesce((options ->> 'pod_lease_sec')::double precision, 3600),
    'busy', exists (select 1 from public.tasks t where t.worker_id = worker_id_param and t.status = 'In Progress'));
end
$$;

create or replace function public.gpuwarden_task_json(t public.tasks) returns jsonb
language sql stable as $$
  select jsonb_build_object('id', t.id, 'task_type', t.task_type, 'params', t.params, 'attempt', coalesce(t.attempts, 0)::integer + 1)
$$;

-- One task at a time: a worker that already holds one gets it again, so that a lost answer loses no task. A worker that is
-- still spawning may claim, because its first heartbeat comes before the daemon has seen it.
create or replace function public.gpuwarden_claim_task(worker_id_param text, token_param text) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  mine public.gpuwarden_workers := public.gpuwarden_authenticate(worker_id_param, token_param);
  state text := public.gpuwarden_status_of(mine);
  task public.tasks;
begin
  if state not in ('spawning', 'active') or mine.drain_reason is not null then return null; end if;
  select * into task from public.tasks t
  where t.worker_id = worker_id_param and t.status = 'In Progress' order by t.id limit 1;
  if found then return public.gpuwarden_task_json(task); end if;
  select * into task from public.gpuwarden_next_task();
  if not found then return null; end if;
  update public.tasks
  set status = 'In Progress', worker_id = worker_id_param, generation_started_at = clock_timestamp(), updated_at = clock_timestamp()
  where id = task.id;
  perform public.gpuwarden_note_event(mine.owner, worker_id_param, task.id, 'task_claimed',
    jsonb_build_object('attempt', coalesce(task.attempts, 0) + 1, 'type', left(task.task_type::text, 100)));
  if mine.released_task is not null then
    update public.gpuwarden_workers set released_task = null where worker_id = worker_id_param;
  end if;
  return public.gpuwarden_task_json(task);
end
$$;

create or replace function public.gpuwarden_complete_task(
  worker_id_param text, token_param text, task_id_param uuid, attempt_param integer, result_param jsonb default null)
returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform public.gpuwarden_authenticate(worker_id_param, token_param);
  update public.tasks
  set status = 'Complete', result_data = result_param, error_message = null, generation_processed_at = clock_timestamp(),
      updated_at = clock_timestamp()
  where id = task_id_param and status = 'In Progress' and worker_id = worker_id_param
    and coalesce(attempts, 0) + 1 = attempt_param;
  if found then
    update public.gpuwarden_workers set last_task_at = clock_timestamp() where worker_id = worker_id_param;
    perform public.gpuwarden_note_event(null, worker_id_param, task_id_param, 'task_completed',
      jsonb_build_object('attempt', attempt_param));
    return jsonb_build_object('accepted', true, 'reason', 'completed');
  end if;
  perform 1 from public.tasks where id = task_id_param and status = 'Complete' and worker_id = worker_id_param
    and coalesce(attempts, 0) + 1 = attempt_param;
  if found then return jsonb_build_object('accepted', true, 'reason', 'already'); end if;
  return jsonb_build_object('accepted', false, 'reason', 'this attempt does not hold the task');
end
$$;

create or replace function public.gpuwarden_fail_task(
  worker_id_param text, token_param text, task_id_param uuid, attempt_param integer, error_param text default null)
returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  mine public.gpuwarden_workers := public.gpuwarden_authenticate(worker_id_param, token_param);
  options jsonb;
  moved text;
begin
  select value into options from public.gpuwarden_state where owner = mine.owner and key = 'settings';
  perform 1 from public.tasks t
  where t.id = task_id_param and t.status = 'In Progress' and t.worker_id = worker_id_param
    and coalesce(t.attempts, 0) = attempt_param - 1;
  if found then
    perform public.gpuwarden_note_event(mine.owner, worker_id_param, task_id_param, 'task_failed',
      jsonb_build_object('attempt', attempt_param, 'error', left(error_param, 500)));
  end if;
  moved := public.gpuwarden_release_task(task_id_param, worker_id_param, attempt_param - 1,
    coalesce((options ->> 'task_max_attempts')::integer, 3), left(coalesce(error_param, 'the worker reported a failure'), 4000));
  if moved is null and mine.released_task = task_id_param and mine.released_attempt = attempt_param then
    return jsonb_build_object('accepted', true, 'reason', 'already', 'status', mine.released_status);
  end if;
  if moved is null then
    return jsonb_build_object('accepted', false, 'reason', 'this attempt does not hold the task', 'status', null);
  end if;
  update public.gpuwarden_workers set last_task_at = clock_timestamp(), released_task = task_id_param,
    released_attempt = attempt_param, released_status = moved
  where worker_id = worker_id_param;
  return jsonb_build_object('accepted', true, 'reason', 'failed', 'status', moved);
end
$$;
