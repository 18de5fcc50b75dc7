-- Describes the database by one row:
--   has_schema    true if there is a schema parley
--   has_identity  true if it has the table schema_identity
--   contents      the objects in it, null if there are none
--   old_schemas   the schemas that have the tables of versions 1 and 2, which were in a schema of the role's choice:
--                 each table with exactly these columns; null if there are none
--   old_is_one    true if that is one schema
--   others        true if the database has relations that are neither PostgreSQL's nor an extension's
--
-- The caller's search_path is pg_catalog alone, so that no object of another program is called.
with wanted (relname, columns) as (values
	('schema_migrations', 'version integer, name text, applied_at timestamp with time zone'),
	('users', 'user_id bigint, username text, full_name text, password text, profile_picture text, public_key text, '
		'created_at timestamp(3) with time zone, last_seen_at timestamp(3) with time zone, '
		'deleted_at timestamp(3) with time zone'),
	('user_words', 'word text, user_id bigint'),
	('tokens', 'token_id bigint, hash bytea, user_id bigint, created_at timestamp(3) with time zone, '
		'expires_at timestamp(3) with time zone'),
	('conversations', 'conv_id bigint, kind "char", user_lo bigint, user_hi bigint, name text, owner_id bigint, '
		'created_at timestamp(3) with time zone, last_seq bigint, last_mod bigint'),
	('members', 'conv_id bigint, user_id bigint, joined_at timestamp(3) with time zone, join_seq bigint, read_seq bigint'),
	('messages', 'message_id bigint, conv_id bigint, seq bigint, mod bigint, sender_id bigint, kind "char", '
		'content text, target_id bigint, client_id text, sent_at timestamp(3) with time zone, '
		'edited_at timestamp(3) with time zone, deleted boolean')
), relations as (
	select c.oid, c.relname, c.relkind, s.oid as schema, s.nspname
	from pg_class c join pg_namespace s on s.oid = c.relnamespace
	where s.nspname !~ '^pg_' and s.nspname <> 'information_schema' and not exists (select from pg_depend d
		where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
), old as (
	select r.schema, r.nspname
	from relations r join wanted w on w.relname = r.relname
	where r.relkind = 'r' and w.columns = (
		select string_agg(format('%s %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum)
		from pg_attribute a
		where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped)
	group by r.schema, r.nspname
	having count(*) = (select count(*) from wanted)
)
select
	exists (select from pg_namespace where nspname = 'parley') as has_schema,
	exists (select from relations r
		where r.nspname = 'parley' and r.relname = 'schema_identity' and r.relkind = 'r') as has_identity,
	(select string_agg(pg_describe_object(d.classid, d.objid, d.objsubid), ', ')
		from pg_depend d join pg_namespace s on d.refclassid = 'pg_namespace'::regclass and d.refobjid = s.oid
		where s.nspname = 'parley' and d.deptype = 'n') as contents,
	(select string_agg(nspname, ', ' order by nspname) from old) as old_schemas,
	(select count(*) = 1 from old) as old_is_one,
	exists (select from relations) as others;
