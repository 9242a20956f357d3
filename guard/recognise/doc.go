// Package recognise tells which CMS a site runs from what the site answers
// anyway: headers, cookie names, redirects and the first bytes of a page. It
// asks the site nothing.
//
// The answer is remembered for each site and survives a restart. One odd page
// does not change it: once a site is recognised, another CMS has to be seen
// many times before it takes over. What a visitor sends never counts, and text
// that visitors may write into a page counts only where they could not have
// written it (inside a tag of the page's head).
//
// A [Recogniser] is safe for concurrent use and owns no goroutine; its owner calls
// Save now and then, so that no request waits for the disk.
package recognise
