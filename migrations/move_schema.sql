-- Moves the objects of versions 1 and 2 from the schema that the setting parley.old_schema names to the schema parley.
-- Nothing is copied. Indexes, constraints and the sequences of identity columns move with their tables. An object of
-- another program with the same name but other arguments stays. The old schema is the search_path.
do $$
declare
	v_schema oid := (select oid from pg_namespace where nspname = current_setting('parley.old_schema'));
	v_moves text[];
	v_move text;
begin
	-- The functions first, since their arguments name the tables.
	select array_agg(m.move order by m.place) into v_moves from (
		select 1 as place, format('alter function %s set schema parley', p.oid::regprocedure) as move
		from pg_proc p
		where p.pronamespace = v_schema and format('%s(%s)', p.proname, oidvectortypes(p.proargtypes)) in (
			'user_words_update()',
			-- Of version 1; 0002 drops them.
			'add_member(bigint, bigint, bigint)',
			'append_event(bigint, bigint, "char", bigint, text)',
			'change_of(text, conversations, messages)',
			'change_refused(text)',
			'conversation_lock(bigint)',
			'create_group(bigint, text)',
			'delete_message(bigint, bigint)',
			'delete_user(bigint)',
			'drop_member(conversations, bigint, bigint)',
			'edit_message(bigint, bigint, text)',
			'is_member(bigint, bigint)',
			'mark_read(bigint[], bigint[], bigint[])',
			'message_change_refused(bigint, messages)',
			'post_messages(bigint[], bigint[], text[], text[])',
			'post_open_direct(bigint[], bigint[], text[], bigint[])',
			'post_targets(bigint[], bigint[])',
			'remove_member(bigint, bigint, bigint)',
			'rename_group(bigint, bigint, text)',
			'set_password(bigint, text, bigint)',
			'wait_for_dead_sessions(integer, integer[], integer)')
		union all
		-- Version 1 has it; that of version 2 was dropped with its functions.
		select 2, format('alter type %s set schema parley', t.oid::regtype)
		from pg_type t
		where t.typnamespace = v_schema and t.typname = 'change' and t.typtype = 'c'
			and to_regclass(format('%I.schema_functions', current_setting('parley.old_schema'))) is null
		union all
		select 3, format('alter %s %s set schema parley',
			case c.relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass)
		from pg_class c
		where c.relnamespace = v_schema and (c.relkind = 'r' and c.relname in ('schema_migrations', 'schema_functions',
			'users', 'user_words', 'tokens', 'conversations', 'members', 'messages')
			or c.relkind = 'S' and c.relname in ('party_ids', 'message_ids'))
	) m;
	foreach v_move in array v_moves loop
		execute v_move;
	end loop;
end $$;
