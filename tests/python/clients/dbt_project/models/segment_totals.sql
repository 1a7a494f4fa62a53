{{ config(materialized='table') }}
select s.priority, c.segment, count(*) as customers, sum(c.balance) as balance
from {{ ref('customers') }} c
join {{ ref('segments') }} s on s.segment = c.segment
group by s.priority, c.segment
