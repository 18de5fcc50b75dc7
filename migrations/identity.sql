-- Marks the schema as parley's, and makes the tables of the migrations themselves.
create table schema_identity (id uuid primary key);
insert into schema_identity values ('9a0e7a4c-51f6-4f0b-8d5e-6b1c2f3d7e90');
create table if not exists schema_migrations (
	version int primary key,
	name text not null,
	applied_at timestamptz not null default now()
);
