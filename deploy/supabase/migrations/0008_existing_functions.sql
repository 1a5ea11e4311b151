-- gpuwarden: functions that existing workers call, where a project does not have them. A user's own, in any signature, stays.
-- They take no token, so only service_role may call those that we make.

-- Log rows of a worker or a daemon; those that cannot be read are counted and left out.
create or replace function public.gpuwarden_store_logs(logs_param jsonb, worker_id_param text) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare
  entry jsonb;
  stored integer := 0;
  refused integer := 0;
begin
  if jsonb_typeof(logs_param) is distinct from 'array' then
    return jsonb_build_object('inserted', 0, 'errors', 0);
  end if;
  for entry in select value from jsonb_array_elements(logs_param) loop
    begin
      insert into public.system_logs ("timestamp", source_type, source_id, log_level, message, task_id, worker_id, cycle_number, metadata)
      values (
        coalesce((entry ->> 'timestamp')::timestamptz, now()),
        coalesce(entry ->> 'source_type', case when worker_id_param is not null then 'worker' end, 'unknown'),
        coalesce(entry ->> 'source_id', worker_id_param, 'unknown'),
        upper(coalesce(entry ->> 'log_level', entry ->> 'level', 'INFO')), coalesce(entry ->> 'message', ''),
        (entry ->> 'task_id')::uuid, coalesce(worker_id_param, entry ->> 'worker_id'),
        (entry ->> 'cycle_number')::integer, coalesce(entry -> 'metadata', '{}'::jsonb));
      stored := stored + 1;
    exception
      when others then refused := refused + 1;
    end;
  end loop;
  return jsonb_build_object('inserted', stored, 'errors', refused);
end
$$;

-- A sign of life of a worker that has no token. Our own row is locked before the shared one, as everywhere.
create or replace function public.gpuwarden_note_heartbeat(
  worker_id_param text, vram_total_mb_param integer, vram_used_mb_param integer, more_param jsonb) returns boolean
language plpgsql set search_path = public, pg_temp as $$
begin
  update public.gpuwarden_workers set heartbeat_at = clock_timestamp(),
    vram_total_mb = coalesce(vram_total_mb_param, vram_total_mb), vram_used_mb = coalesce(vram_used_mb_param, vram_used_mb)
  where worker_id = worker_id_param and ended_at is null;
  update public.workers w set last_heartbeat = clock_timestamp(), metadata = coalesce(metadata::jsonb, '{}'::jsonb)
    || jsonb_strip_nulls(coalesce(more_param, '{}'::jsonb) || jsonb_build_object(
         'vram_total_mb', vram_total_mb_param, 'vram_used_mb', vram_used_mb_param))
  where w.id = worker_id_param and w.status::text is distinct from 'terminated';
  return found;
end
$$;

do $migration$
begin
  if public.gpuwarden_may_define('func_claim_available_task') then
    create or replace function public.func_claim_available_task(worker_id_param text)
    returns table (id uuid, status text, attempts integer, worker_id text, generation_started_at timestamptz,
                   task_data jsonb, created_at timestamptz, task_type text)
    language plpgsql security definer set search_path = public, pg_temp as $$
    #variable_conflict use_column
    declare
      task public.tasks;
    begin
      perform 1 from public.gpuwarden_workers g where g.worker_id = worker_id_param for update;
      if exists (select 1 from public.gpuwarden_workers g left join public.workers w on w.id = g.worker_id
                 where g.worker_id = worker_id_param
                   and (g.drain_reason is not null or g.ended_at is not null
                        or public.gpuwarden_status(w.status::text, g.status) not in ('spawning', 'active')))
        or exists (select 1 from public.workers w where w.id = worker_id_param
                   and w.status::text in ('terminating', 'error', 'terminated')) then
        return;
      end if;
      select * into task from public.gpuwarden_next_task();
      if not found then return; end if;
      perform public.gpuwarden_note_event(null, worker_id_param, task.id, 'task_claimed',
        jsonb_build_object('attempt', coalesce(task.attempts, 0) + 1, 'type', left(task.task_type::text, 100)));
      return query
        update public.tasks t set status = 'In Progress', worker_id = worker_id_param,
          generation_started_at = clock_timestamp(), updated_at = clock_timestamp()
        where t.id = task.id
        returning t.id, t.status::text, coalesce(t.attempts, 0)::integer, t.worker_id::text,
                  t.generation_started_at::timestamptz, t.params::jsonb, t.created_at::timestamptz, t.task_type::text;
    end
    $$;
    perform public.gpuwarden_close('function public.func_claim_available_task(text)');
    perform public.gpuwarden_mark('public.func_claim_available_task(text)');
  end if;

  if public.gpuwarden_may_define('func_mark_task_complete') then
    create or replace function public.func_mark_task_complete(task_id_param uuid, result_data_param jsonb default null) returns boolean
    language plpgsql security definer set search_path = public, pg_temp as $$
    declare
      holder text;
      attempt integer;
    begin
      -- One write either way, for triggers of the project; `result_data` may be json, jsonb or text.
      if result_data_param is null then
        update public.tasks set status = 'Complete', generation_processed_at = clock_timestamp(), updated_at = clock_timestamp()
        where id = task_id_param and status = 'In Progress' returning worker_id::text, coalesce(attempts, 0) + 1 into holder, attempt;
      else
        update public.tasks set status = 'Complete', result_data = result_data_param,
          generation_processed_at = clock_timestamp(), updated_at = clock_timestamp()
        where id = task_id_param and status = 'In Progress' returning worker_id::text, coalesce(attempts, 0) + 1 into holder, attempt;
      end if;
      if not found then return false; end if;
      perform public.gpuwarden_note_event(null, holder, task_id_param, 'task_completed', jsonb_build_object('attempt', attempt));
      return true;
    end
    $$;
    perform public.gpuwarden_close('function public.func_mark_task_complete(uuid, jsonb)');
    perform public.gpuwarden_mark('public.func_mark_task_complete(uuid, jsonb)');
  end if;

  if public.gpuwarden_may_define('func_mark_task_failed') then
    create or replace function public.func_mark_task_failed(task_id_param uuid, error_message_param text default null) returns boolean
    language plpgsql security definer set search_path = public, pg_temp as $$
    declare
      holder text;
      attempt integer;
    begin
      update public.tasks set status = 'Failed', attempts = coalesce(attempts, 0) + 1,
        error_message = public.gpuwarden_fit('tasks', 'error_message', error_message_param),
        generation_processed_at = clock_timestamp(), updated_at = clock_timestamp()
      where id = task_id_param and status = 'In Progress' returning worker_id::text, attempts into holder, attempt;
      if not found then return false; end if;
      perform public.gpuwarden_note_event(null, holder, task_id_param, 'task_given_up',
        jsonb_build_object('attempt', attempt, 'why', left(error_message_param, 500)));
      return true;
    end
    $$;
    perform public.gpuwarden_close('function public.func_mark_task_failed(uuid, text)');
    perform public.gpuwarden_mark('public.func_mark_task_failed(uuid, text)');
  end if;

  if public.gpuwarden_may_define('func_update_worker_heartbeat') then
    create or replace function public.func_update_worker_heartbeat(
      worker_id_param text, vram_total_mb_param integer default null, vram_used_mb_param integer default null) returns boolean
    language sql security definer set search_path = public, pg_temp as $$
      select public.gpuwarden_note_heartbeat(worker_id_param, vram_total_mb_param, vram_used_mb_param, null)
    $$;
    perform public.gpuwarden_close('function public.func_update_worker_heartbeat(text, integer, integer)');
    perform public.gpuwarden_mark('public.func_update_worker_heartbeat(text, integer, integer)');
  end if;

  if public.gpuwarden_may_define('func_insert_logs_batch') then
    create or replace function public.func_insert_logs_batch(logs jsonb) returns jsonb
    language sql security definer set search_path = public, pg_temp as $$
      select jsonb_build_object('success', true) || public.gpuwarden_store_logs(logs, null)
    $$;
    perform public.gpuwarden_close('function public.func_insert_logs_batch(jsonb)');
    perform public.gpuwarden_mark('public.func_insert_logs_batch(jsonb)');
  end if;

  if public.gpuwarden_may_define('func_worker_heartbeat_with_logs') then
    create or replace function public.func_worker_heartbeat_with_logs(
      worker_id_param text, vram_total_mb_param integer default null, vram_used_mb_param integer default null,
      logs_param jsonb default '[]'::jsonb, current_task_id_param uuid default null, status_param text default 'active')
    returns jsonb
    language plpgsql security definer set search_path = public, pg_temp as $$
    declare
      known boolean;
    begin
      known := public.gpuwarden_note_heartbeat(worker_id_param, vram_total_mb_param, vram_used_mb_param,
        jsonb_build_object('current_task_id', current_task_id_param, 'worker_status', status_param));
      if status_param = 'crashed' then
        update public.gpuwarden_workers set crash = coalesce(crash, jsonb_build_object('tail', public.gpuwarden_tail(
          (select jsonb_agg(l.entry ->> 'message' order by l.place)
           from jsonb_array_elements(case jsonb_typeof(logs_param) when 'array' then logs_param else '[]' end)
             with ordinality as l(entry, place)))))
        where worker_id = worker_id_param and ended_at is null;
      end if;
      return jsonb_build_object('success', true, 'known', known) || public.gpuwarden_store_logs(logs_param, worker_id_param);
    end
    $$;
    perform public.gpuwarden_close('function public.func_worker_heartbeat_with_logs(text, integer, integer, jsonb, uuid, text)');
    perform public.gpuwarden_mark('public.func_worker_heartbeat_with_logs(text, integer, integer, jsonb, uuid, text)');
  end if;
end
$migration$;
