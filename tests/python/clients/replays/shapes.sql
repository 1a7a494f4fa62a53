select * from shop.purchase
select id, amount + 1, note as n, customer_id from shop.purchase p order by 2
select p.id, c.name, count(*) from shop.purchase p join shop.customer c on c.id = p.customer_id group by p.id, c.name
select * from shop.customer c join shop.visit v on v.number = c.id
select number from shop.visit v join (select id as number from shop.customer) c using (number)
select number from shop.visit v full join (select id as number from shop.customer) c using (number)
select * from (select id, name x from shop.customer limit 3) s
with q as (select id, email from shop.customer) select * from q
with q(a, b) as (select id, email from shop.customer) select b, a, a from q where a > 1
with recursive q as (select id from shop.customer union all select id + 1 from q where id < 3) select * from q
select * from shop.purchase_list
select v.name, v.amount from shop.purchase_list v order by 1
select id from shop.customer union select id from shop.customer
select id from shop.customer except select 1
select id from shop.customer intersect select 1
select distinct name from shop.customer
select distinct on (name) name, id from shop.customer order by name
select a.id, lag(a.id) over (order by a.id) from shop.customer a
select (select name from shop.customer c where c.id = p.customer_id), p.id from shop.purchase p
select name::text, (name), upper(name) from shop.customer
select max(id) from shop.customer
select customer_id, count(*) from shop.purchase group by rollup (customer_id)
values (1)
table shop.customer
select * from generate_series(1, 3) g
select * from unnest(array[1]) with ordinality
select oid, relname, relkind::text from pg_class limit 1
select c.relname, a.attname, n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid limit 1
select * from (select oid x, typname from pg_type) s limit 1
select tableoid, relname from pg_class limit 1
select rolname, rolsuper from pg_roles limit 1
select table_name, column_name from information_schema.columns limit 1
select c.id, k.relname from shop.customer c, pg_class k limit 1
select case when true then id end, coalesce(id, id), id from shop.customer
select id from shop.customer where id in (select id from shop.customer)
select amount, sum(amount) over (partition by customer_id), numeric '1' from shop.purchase
select id from shop.customer group by id having count(*) > 0
insert into shop.visit (page) values ('x') returning *
update shop.customer set name = 'y' where id = 1 returning id, name, id + 1, customer.id as z
update shop.visit v set page = c.name from shop.customer c where c.id = v.number returning v.page, c.name, c.id
delete from shop.visit where number = 1 returning page
select s.page from (select number, page from shop.visit where number < 3 order by number) s order by s.number
select page from (select * from (select * from shop.visit) x) y
select d.id from (select id from shop.customer group by 1) d
select at::date, date_trunc('day', at) from shop.purchase
select oid::regclass, oid from pg_class limit 1
select amount::numeric(10,1), amount::numeric, name::varchar(5), name::char(3) from shop.purchase, shop.customer
select sum(amount), max(amount), amount + 1, -amount, coalesce(amount, 0), nullif(amount, 1), greatest(amount, amount) from shop.purchase group by amount
select case when true then amount end, case when true then amount else 0 end, abs(amount), round(amount, 1) from shop.purchase
select name || 'x', coalesce(name, 'a'), (select name from shop.customer limit 1) from shop.customer
select amount from shop.purchase union all select amount from shop.purchase
select amount from shop.purchase union all select 1
select x from (select sum(amount) x, count(*) from shop.purchase) s
select first_value(amount) over (), sum(quantity) over () from shop.purchase
select 1.5, '1.50'::numeric(5,2), sum(id) from shop.purchase
