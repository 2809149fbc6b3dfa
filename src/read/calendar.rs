//! The seconds since 1970 of a date and a time, in the Gregorian calendar.

/// Returns the seconds from 1970 to a date and a time of day; `None` if there is no such date or
/// time.
pub(crate) fn civil(
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
) -> Option<i64> {
    // A leap second counts as the next second.
    let is_time = hour < 24 && minute < 60 && second <= 60;
    let is_date = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    (is_time && is_date)
        .then(|| days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

pub(crate) fn decimal(digits: &[u8]) -> i64 {
    let digits = digits.iter().map(|digit| i64::from(digit - b'0'));
    digits.fold(0, |number, digit| number * 10 + digit)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    /// The number of days before each month, in a year that is not a leap year.
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    // From the year 1 to 1970 there are 719_162 days.
    let days = before * 365 + leap_days - 719_162;
    let month_index = (month - 1).clamp(0, 11) as usize;
    let leap_day = i64::from(month > 2 && is_leap(year));
    days + BEFORE[month_index] + leap_day + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_its_number() {
        let mut days = days_since_1970(0, 1, 1);
        assert_eq!(days, -719_528);
        for year in 0..=9_999 {
            for month in 1..=12 {
                for day in 1..=days_in(year, month) {
                    assert_eq!(days_since_1970(year, month, day), days);
                    days += 1;
                }
            }
        }
        assert_eq!(days, 2_932_897);
    }
}
