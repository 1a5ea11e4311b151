-- gpuwarden: who may do what. Pods reach four functions, service_role those that the daemon and operators call; helpers are
-- called by functions that run as their owner, so nobody else needs them.

do $migration$
declare
  has_service boolean := exists (select 1 from pg_roles where rolname = 'service_role');
  has_anon boolean := exists (select 1 from pg_roles where rolname = 'anon');
  has_user boolean := exists (select 1 from pg_roles where rolname = 'authenticated');
  for_pods constant text[] := array['gpuwarden_worker_report', 'gpuwarden_claim_task', 'gpuwarden_complete_task', 'gpuwarden_fail_task'];
  -- Every function of ours by name: one that a user calls gpuwarden_something is none of our business.
  ours constant text[] := public.gpuwarden_required_functions() || array['gpuwarden_adopt_requests', 'gpuwarden_authenticate', 'gpuwarden_close',
    'gpuwarden_ensure_column', 'gpuwarden_ensure_index', 'gpuwarden_failing', 'gpuwarden_figure', 'gpuwarden_fit', 'gpuwarden_fruitless_last_day', 'gpuwarden_heartbeat',
    'gpuwarden_keep_settings', 'gpuwarden_last_words', 'gpuwarden_lead', 'gpuwarden_leads', 'gpuwarden_leave_beacon', 'gpuwarden_recent_failures', 'gpuwarden_lock_shared', 'gpuwarden_mark',
    'gpuwarden_matches', 'gpuwarden_may_define', 'gpuwarden_misfits', 'gpuwarden_next_task', 'gpuwarden_note_heartbeat',
    'gpuwarden_operator_state', 'gpuwarden_outcomes', 'gpuwarden_pace', 'gpuwarden_ready_condition', 'gpuwarden_refusal', 'gpuwarden_release_task',
    'gpuwarden_required_functions', 'gpuwarden_rescuable', 'gpuwarden_share', 'gpuwarden_short',
    'gpuwarden_spent_last_day', 'gpuwarden_status', 'gpuwarden_status_of', 'gpuwarden_store_lines',
    'gpuwarden_store_logs', 'gpuwarden_tail',
    'gpuwarden_task_json', 'gpuwarden_task_ready', 'gpuwarden_worker_json', 'gpuwarden_worker_row'];
  existing constant text[] := array['func_claim_available_task', 'func_mark_task_complete', 'func_mark_task_failed',
    'func_update_worker_heartbeat', 'func_worker_heartbeat_with_logs', 'func_insert_logs_batch'];
  f record;
  t text;
begin
  for f in
    select p.oid::regprocedure as signature, p.proname::text as name from pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proname = any (ours) and p.prokind = 'f'
  loop
    begin
      perform public.gpuwarden_close('function ' || f.signature);
      if has_service then execute format('revoke all on function %s from service_role', f.signature); end if;
      if has_service and (f.name = any (public.gpuwarden_required_functions()) or f.name = 'gpuwarden_task_ready') then
        execute format('grant execute on function %s to service_role', f.signature);
      end if;
      if f.name = any (for_pods) then
        if has_anon then execute format('grant execute on function %s to anon', f.signature); end if;
        if has_user then execute format('grant execute on function %s to authenticated', f.signature); end if;
      end if;
    exception
      when insufficient_privilege then raise notice 'gpuwarden: the rights on % are its owner''s to give: %', f.signature, sqlerrm;
    end;
  end loop;
  foreach t in array array['gpuwarden_meta', 'gpuwarden_leaders', 'gpuwarden_state', 'gpuwarden_workers', 'gpuwarden_failures'] loop
    execute format('revoke all on table public.%I from public', t);
    if has_anon then execute format('revoke all on table public.%I from anon', t); end if;
    if has_user then execute format('revoke all on table public.%I from authenticated', t); end if;
    if has_service then execute format('grant select, insert, update, delete on table public.%I to service_role', t); end if;
  end loop;
  -- New tables and functions get no rights by themselves; on a project that had these already, this changes nothing. What
  -- belongs to somebody else is theirs to grant.
  if has_service then
    for t in
      select format('execute on function %s', p.oid::regprocedure) from pg_proc p
      where p.pronamespace = 'public'::regnamespace and p.proname = any (existing)
      union all
      select format('select, insert, update, delete on table public.%I', n.name) from unnest(array['tasks', 'workers', 'system_logs']) as n(name)
    loop
      begin
        execute format('grant %s to service_role', t);
      exception
        when insufficient_privilege then raise notice 'gpuwarden: cannot grant % to service_role: %', t, sqlerrm;
      end;
    end loop;
  end if;
end
$migration$;
