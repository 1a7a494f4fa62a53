{{ config(materialized='incremental', unique_key='day') }}
select o_orderdate as day, count(*) as orders
from {{ source('sample', 'orders') }}
{% if is_incremental() %}
where o_orderdate >= (select max(day) from {{ this }})
{% else %}
where o_orderdate < date '1998-01-01'
{% endif %}
group by 1
