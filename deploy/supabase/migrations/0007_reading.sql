-- gpuwarden: what operators' commands read. Scalar answers, so that no row cap cuts them.

create or replace function public.gpuwarden_required_functions() returns text[]
language sql immutable as $$
  select array['gpuwarden_snapshot', 'gpuwarden_queue_depth', 'gpuwarden_register_worker', 'gpuwarden_update_worker',
    'gpuwarden_fail_worker', 'gpuwarden_add_evidence', 'gpuwarden_rescue_tasks', 'gpuwarden_save_state', 'gpuwarden_resign',
    'gpuwarden_worker_report', 'gpuwarden_claim_task', 'gpuwarden_complete_task', 'gpuwarden_fail_task', 'gpuwarden_health',
    'gpuwarden_list_failures', 'gpuwarden_list_workers', 'gpuwarden_get_worker', 'gpuwarden_list_tasks', 'gpuwarden_operator',
    'gpuwarden_incident']
$$;

-- Volatile, so that it runs in the kind of transaction that the daemon's writes get.
create or replace function public.gpuwarden_health() returns jsonb
language sql volatile security definer set search_path = public, pg_temp as $$
  select jsonb_build_object(
    'schema_version', (select schema_version from public.gpuwarden_meta),
    'db_now', to_jsonb(clock_timestamp() at time zone 'utc') #>> '{}' || 'Z',
    'writable', current_setting('transaction_read_only') = 'off',
    'missing', coalesce((
      select jsonb_agg(n.name order by n.name) from unnest(public.gpuwarden_required_functions()) as n(name)
      where not exists (select 1 from pg_proc p where p.proname = n.name and p.pronamespace = 'public'::regnamespace)),
      '[]'::jsonb) || to_jsonb(public.gpuwarden_misfits()))
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_health()'); end $close$;

create or replace function public.gpuwarden_list_failures(owner_param text, since_sec_param double precision, limit_param integer)
returns jsonb
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(to_jsonb(f) order by f.created_at desc), '[]'::jsonb)
  from (select id, worker_id, cause, summary, evidence_line, fingerprint, phase, scope, counts, advice, evidence, pod_id, gpu,
               data_center, cost_usd, task_ids, created_at
        from public.gpuwarden_failures
        where owner = owner_param and created_at > now() - make_interval(secs => since_sec_param)
        order by created_at desc limit greatest(coalesce(limit_param, 1000), 0)) f
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_list_failures(text, double precision, integer)'); end $close$;

create or replace function public.gpuwarden_worker_row(g public.gpuwarden_workers) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select to_jsonb(g) - array['worker_id', 'token_hash', 'heartbeat_base', 'heartbeat_at', 'report', 'status',
      'registered_at', 'released_task', 'released_attempt', 'released_status'] || jsonb_build_object(
    'id', g.worker_id,
    'status', case when g.ended_at is not null then 'terminated' else public.gpuwarden_status(w.status::text, g.status) end,
    'created_at', g.registered_at,
    'last_heartbeat', public.gpuwarden_heartbeat(g, w),
    'cost_usd', case when g.pod_id is null then 0 else
      g.cost_per_hr * extract(epoch from coalesce(g.ended_at, now()) - g.registered_at) / 3600.0 end,
    'cause', f.cause, 'summary', f.summary, 'evidence_line', f.evidence_line, 'advice', f.advice, 'last_report', g.report,
    'tasks', (select coalesce(jsonb_agg(t.id), '[]'::jsonb) from public.tasks t
              where t.worker_id = g.worker_id and t.status = 'In Progress'))
  from (select 1) one
  left join public.workers w on w.id = g.worker_id
  left join public.gpuwarden_failures f on f.worker_id = g.worker_id
$$;

create or replace function public.gpuwarden_list_workers(owner_param text, ended_param boolean, limit_param integer) returns jsonb
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(public.gpuwarden_worker_row(s.g) order by (s.g).registered_at desc), '[]'::jsonb)
  from (select u.g
        from ((select g from public.gpuwarden_workers g
               where g.owner = owner_param and g.ended_at is null
               order by g.registered_at desc limit greatest(coalesce(limit_param, 1000), 0))
              union all
              (select g from public.gpuwarden_workers g
               where ended_param and g.owner = owner_param and g.ended_at is not null
               order by g.registered_at desc limit greatest(coalesce(limit_param, 1000), 0))) u
        order by (u.g).registered_at desc limit greatest(coalesce(limit_param, 1000), 0)) s
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_list_workers(text, boolean, integer)'); end $close$;

create or replace function public.gpuwarden_get_worker(worker_id_param text) returns jsonb
language sql stable security definer set search_path = public, pg_temp as $$
  select public.gpuwarden_worker_row(g) from public.gpuwarden_workers g where g.worker_id = worker_id_param
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_get_worker(text)'); end $close$;

create or replace function public.gpuwarden_list_tasks(status_param text, limit_param integer) returns jsonb
language plpgsql stable security definer set search_path = public, pg_temp as $$
declare
  answer jsonb;
  -- The status as a literal of the column's own type, so that the indexes serve text and enum alike.
  condition text := case when status_param is null then 'true' else format('status = %L', status_param) end;
begin
  execute format(
    'select coalesce(jsonb_agg(to_jsonb(t) order by t.created_at desc), ''[]''::jsonb)
     from (select id, task_type, status::text as status, worker_id, coalesce(attempts, 0) as attempts, error_message,
                  created_at::timestamptz, updated_at::timestamptz, generation_started_at::timestamptz,
                  generation_processed_at::timestamptz
           from public.tasks where %s order by created_at desc limit %s) t', condition, greatest(coalesce(limit_param, 1000), 0))
  into answer;
  return answer;
exception
  when invalid_text_representation then
    raise exception 'gpuwarden: no task status is called %', status_param using errcode = 'PT400';
end
$$;
do $close$ begin perform public.gpuwarden_close('function public.gpuwarden_list_tasks(text, integer)'); end $close$;
