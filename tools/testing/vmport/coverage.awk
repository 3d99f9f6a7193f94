# SPDX-License-Identifier: GPL-2.0-only
# A table from gcov -b -c: lines and branches of each file of the engine.
/^File / {
	file = $2
	gsub(/.*\/|\x27/, "", file)
	wanted = file ~ /\.c$/
}
/^$/ {
	wanted = 0	# what has no file is the sum of all files, headers included
}
/^Lines executed:/ && wanted {
	split($2, percent, /[:%]/)
	lines[file] = percent[2]
	line_count[file] = $4
}
/^Taken at least once:/ && wanted {
	split($4, percent, /[:%]/)
	branches[file] = percent[2]
	branch_count[file] = $6
}
END {
	printf "%-14s %16s %18s\n", "file", "lines", "branches"
	for (file in lines) {
		printf "%-14s %7.2f%% of %4d %9.2f%% of %4d\n", file, lines[file],
		       line_count[file], branches[file], branch_count[file] | "sort"
		line_sum += line_count[file]
		lines_seen += line_count[file] * lines[file] / 100
		branch_sum += branch_count[file]
		branches_seen += branch_count[file] * branches[file] / 100
	}
	close("sort")
	printf "%-14s %7.2f%% of %4d %9.2f%% of %4d\n", "all", 100 * lines_seen / line_sum,
	       line_sum, 100 * branches_seen / branch_sum, branch_sum
}
