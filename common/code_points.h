/*
 * code_points: a set of Unicode code points, which the build makes from Unicode's data (common/properties).
 *
 * Owns: nothing. Knows nothing of: what the set is for.
 *
 * A set is declared by the file that uses it:
 *
 *	extern const struct code_points emoji_characters;
 */
#ifndef PARLEY_CODE_POINTS_H
#define PARLEY_CODE_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct code_point_range {
	uint32_t first, last;
};

struct code_points {
	const struct code_point_range *ranges; /* n of them, ascending */
	size_t n;
};

/* True if the code point c is in the set. */
static inline bool code_points_have(const struct code_points *set, uint32_t c)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c > set->ranges[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->n && c >= set->ranges[low].first;
}

#endif
