package bans

// challengeText is everything the question says, in one language.
type challengeText struct {
	Tag, Title, Text, Lost, Button, Label, Short string
}

var challengeWords = []challengeText{
	{"en", "One click, please",
		"Attacks on websites came from the internet address that you share with others. So that this site can tell you from them, please press the button. You will not be asked again today.",
		"What you were sending has not been taken: please send it again afterwards.",
		"Go on to the site", "Incident code", "Open a page of the site in a browser, press the button there and try again."},
	{"ru", "Одно нажатие, пожалуйста",
		"С интернет-адреса, который вы делите с другими, шли атаки на сайты. Чтобы сайт отличил вас от них, нажмите кнопку. Сегодня вас больше не спросят.",
		"То, что вы отправляли, не принято: после этого отправьте ещё раз.",
		"Перейти на сайт", "Код происшествия", "Откройте страницу сайта в браузере, нажмите там кнопку и повторите."},
	{"kk", "Бір рет басыңызшы",
		"Сіз басқалармен бөлісетін интернет-мекенжайдан сайттарға шабуыл жасалды. Сайт сізді олардан ажырата алуы үшін түймені басыңыз. Бүгін қайта сұралмайды.",
		"Жіберіп жатқаныңыз қабылданбады: содан кейін қайта жіберіңіз.",
		"Сайтқа өту", "Оқиға коды", "Сайт бетін браузерде ашып, сондағы түймені басыңыз да, қайта көріңіз."},
}
